"""What is not there says so by name, and how it is done now."""

import sys

_SCRIPT = "ScriptRunConfig takes a script and an environment"
_PIPELINE = "a pipeline job: type: pipeline in a job's YAML, az ml job create --file"
_SWEEP = "a sweep job: type: sweep in a job's YAML, az ml job create --file"
_SERVED = "endpoints are served by this machine: Model.deploy without a deployment_target"
_SECRETS = "secrets are set with cairn secret set, and come as variables"
_NOTHING = "nothing stands in for it here"

# Modules and names, by what begins them; a longer one goes before a shorter one.
HOW = {
    "azureml.train": _SCRIPT + "; a sweep is a job in YAML",
    "azureml.train.automl": "automated machine learning is not built here: train with a script",
    "azureml.train.dnn": _SCRIPT,
    "azureml.train.estimator": _SCRIPT,
    "azureml.train.hyperdrive": _SWEEP,
    "azureml.train.sklearn": _SCRIPT,
    "azureml.automl": "automated machine learning is not built here: train with a script",
    "azureml.pipeline": _PIPELINE,
    "azureml.pipeline.core": _PIPELINE,
    "azureml.pipeline.steps": "a step is one of the jobs of a pipeline's YAML; ParallelRunStep is type: parallel",
    "azureml.contrib": _NOTHING,
    "azureml.datadrift": _NOTHING,
    "azureml.dataprep": "Dataset.File and Dataset.Tabular, or pandas",
    "azureml.explain": _NOTHING,
    "azureml.interpret": _NOTHING,
    "azureml.monitoring": "each prediction is kept with its input: cairn trace prediction/ID",
    "azureml.opendatasets": "download the data and register it: Dataset.File.upload_directory",
    "azureml.tensorboard": "run.download_files, then tensorboard --logdir",
    "azureml.telemetry": _NOTHING,
    "azureml.core.ContainerRegistry": "name an image with its registry, and log in with docker login",
    "azureml.core.Keyvault": _SECRETS,
    "azureml.core.container_registry": "name an image with its registry, and log in with docker login",
    "azureml.core.compute.AksCompute": _SERVED,
    "azureml.core.compute.BatchCompute": "jobs run on this machine: AmlCompute is a name for it",
    "azureml.core.compute.DatabricksCompute": "jobs run on this machine: AmlCompute is a name for it",
    "azureml.core.compute.DataFactoryCompute": "copy the data in a job",
    "azureml.core.compute.HDInsightCompute": "jobs run on this machine: AmlCompute is a name for it",
    "azureml.core.compute.KubernetesCompute": _SERVED,
    "azureml.core.compute.RemoteCompute": "jobs run on this machine: AmlCompute is a name for it",
    "azureml.core.keyvault": _SECRETS,
    "azureml.core.run.Run.create_children": "Run.child_run makes one after the other",
    "azureml.core.run.Run.restore_snapshot": "cairn trace run/NAME leads to the commit",
    "azureml.core.run.Run.submit_child": "Experiment.submit starts a job of its own",
    "azureml.core.runconfig.DataReferenceConfiguration": "Dataset.get_by_name(…).as_mount() among the arguments",
    "azureml.core.runconfig.ParallelTaskConfiguration": "type: parallel in a pipeline's YAML",
    "azureml.core.runconfig.SparkConfiguration": "run the script with pyspark in its environment",
    "azureml.core.webservice.AksEndpoint": "az ml online-endpoint update --traffic shares requests between deployments",
    "azureml.data.data_reference": "Dataset.get_by_name(…).as_mount() among the arguments",
}

# Packages that hold nothing but what is refused: they are empty, so that the error names
# the module that was asked for, and not only the first part of its name.
HOLLOW = ("azureml.automl", "azureml.contrib", "azureml.pipeline", "azureml.train")


def how(name):
    for prefix in sorted(HOW, key=len, reverse=True):
        if name == prefix or name.startswith(prefix + "."):
            return HOW[prefix]
    return "docs/reference/azureml-sdk-v1.md lists what is there; azure: original in config.yaml leaves the real package alone"


class Hollow(object):
    """Loads a package without anything in it."""

    @staticmethod
    def create_module(spec):
        return None

    @staticmethod
    def exec_module(module):
        module.__getattr__ = module_getattr(module.__name__)


class Finder(object):
    """Is asked last: what gets here below azureml is not there."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in HOLLOW:
            from importlib.machinery import ModuleSpec

            return ModuleSpec(name, Hollow, is_package=True)
        if name.startswith("azureml.") and name != "azureml.mlflow":
            parts = name.split(".")
            # Somebody else's package of this name space, such as azureml-mlflow.
            if len(parts) > 2 and ".".join(parts[:2]) in sys.modules and parts[1] not in ("core", "data", "_common", "widgets") and ".".join(parts[:2]) not in HOLLOW:
                return None
            raise ModuleNotFoundError("Cairn's azureml has no module %s: %s" % (name, how(name)), name=name)
        return None


def install():
    if not any(isinstance(f, Finder) for f in sys.meta_path):
        sys.meta_path.append(Finder())


def attribute(owner, name):
    """The error for an attribute that is not there."""
    return AttributeError("Cairn's azureml has no %s.%s: %s" % (owner, name, how(owner + "." + name)))


def _imported(frame):
    """Whether the caller is at `from module import name`: it shows an ImportError as it is,
    and puts a text of its own in the place of an AttributeError."""
    import opcode

    try:
        return opcode.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM"
    except (AttributeError, IndexError):
        return False


def module_getattr(owner):
    """The __getattr__ of a module (Python 3.7 and later asks it)."""

    def missing(name):
        err = attribute(owner, name)
        if not name.startswith("__") and _imported(sys._getframe(1)):
            raise ImportError(str(err), name=owner)
        raise err

    return missing


class _Kind(type):
    """Classes whose own missing methods are told by name too."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise attribute(_spoken(cls), name)


def _spoken(cls):
    """A class as scripts know it: kinds of runs are all Run."""
    for c in cls.__mro__:
        if not c.__module__.rsplit(".", 1)[-1].startswith("_") and not c.__name__.startswith("_"):
            return c.__module__ + "." + c.__name__
    return cls.__name__


class Named(metaclass=_Kind):
    """Classes of the SDK: what they lack is told by name."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise attribute(_spoken(type(self)), name)
