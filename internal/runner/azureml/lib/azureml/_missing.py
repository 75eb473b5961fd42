"""What is not there says so by name, and how it is done now."""

import sys

HOW = {
    "azureml.train.hyperdrive": "a sweep job: type: sweep in a job's YAML, az ml job create --file",
    "azureml.train.automl": "automated machine learning is not built here: train with a script",
    "azureml.train.estimator": "ScriptRunConfig takes a script and an environment",
    "azureml.train.sklearn": "ScriptRunConfig takes a script and an environment",
    "azureml.train.dnn": "ScriptRunConfig takes a script and an environment",
    "azureml.pipeline": "a pipeline job: type: pipeline in a job's YAML, az ml job create --file",
    "azureml.train": "ScriptRunConfig takes a script and an environment; a sweep is a job in YAML",
    "azureml.contrib": "nothing stands in for it here",
    "azureml.interpret": "nothing stands in for it here",
    "azureml.opendatasets": "download the data and register it: Dataset.File.upload_directory",
    "azureml.dataprep": "Dataset.File and Dataset.Tabular, or pandas",
    "azureml.datadrift": "nothing stands in for it here",
}


def how(name):
    for prefix in sorted(HOW, key=len, reverse=True):
        if name == prefix or name.startswith(prefix + "."):
            return HOW[prefix]
    return "docs/reference/azureml-sdk-v1.md lists what is there; azure: original in config.yaml leaves the real package alone"


class Finder(object):
    """Is asked last: what gets here below azureml is not there."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith("azureml.") and name != "azureml.mlflow":
            parts = name.split(".")
            # Somebody else's package of this name space, such as azureml-mlflow.
            if len(parts) > 2 and ".".join(parts[:2]) in sys.modules and parts[1] not in ("core", "data"):
                return None
            raise ModuleNotFoundError("Cairn's azureml has no module %s: %s" % (name, how(name)), name=name)
        return None


def install():
    if not any(isinstance(f, Finder) for f in sys.meta_path):
        sys.meta_path.append(Finder())


def attribute(owner, name):
    """The error for an attribute that is not there."""
    return AttributeError("Cairn's azureml has no %s.%s: %s" % (owner, name, how(owner)))


class Named(object):
    """Classes of the SDK: what they lack is told by name."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise attribute(type(self).__name__, name)
