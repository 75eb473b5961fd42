"""Runs: the one that a script runs in, and those that were submitted."""

import os

from azureml import _cairn
from azureml._missing import Named, module_getattr
from azureml.exceptions import UserErrorException


class Run(Named):
    """See get_context. experiment and run_id name one that was submitted."""

    _context = None

    def __new__(cls, experiment=None, run_id=None, *args, **kwargs):
        if cls is Run and run_id:  # one that was submitted
            from ._submitted import Submitted

            cls = Submitted
        return super(Run, cls).__new__(cls)

    def __init__(self, experiment=None, run_id=None, outputs=None, **kwargs):
        self.experiment = experiment
        self.id = run_id
        self._steps = {}

    @staticmethod
    def get_context(allow_offline=True, used_for_context_manager=False, **kwargs):
        if Run._context is None:
            from ._context import _Logged

            tracking = _cairn.Tracking()
            if tracking:
                Run._context = _Logged(tracking)
            elif not allow_offline:
                raise UserErrorException("no run: MLFLOW_TRACKING_URI is not set, and offline runs are not allowed")
            else:
                Run._context = _OfflineRun()
        return Run._context

    get_submitted_run = get_context  # its name of the first years

    @staticmethod
    def get(workspace, run_id):
        from ._context import by_id

        return by_id(None, run_id)

    run_id = property(lambda self: self.id)
    number = property(lambda self: 1)
    name = property(lambda self: self.id)
    display_name = property(lambda self: self.id)
    parent = property(lambda self: None)
    input_datasets = property(lambda self: _inputs())

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.complete()
        else:
            self.fail(error_details=str(value))

    # What is logged: kinds of the original become metrics and files.
    def log(self, name, value, description="", step=None):
        if isinstance(value, str):
            return self._text(name, value)
        if isinstance(value, (list, tuple)) or getattr(value, "ndim", 0) > 0:
            return self.log_list(name, value, description)
        n = self._steps.get(name, 0) if step is None else step
        self._steps[name] = n + 1
        self._metrics([(name, value, n)])

    def log_list(self, name, value, description=""):
        self._metrics([(name, v, i) for i, v in enumerate(value) if not isinstance(v, str)])
        if any(isinstance(v, str) for v in value):  # a metric is a number: words are kept as text
            self._text(name, ", ".join(str(v) for v in value))

    def log_row(self, name, description=None, **kwargs):
        n = self._steps.get("row " + name, 0)
        self._steps["row " + name] = n + 1
        self._metrics([("%s.%s" % (name, k), v, n) for k, v in kwargs.items() if not isinstance(v, str)])
        for k, v in kwargs.items():
            if isinstance(v, str):
                self._text("%s.%s.%d" % (name, k, n), v)

    def log_table(self, name, value, description=""):
        rows = []
        for k, v in value.items():
            many = isinstance(v, (list, tuple)) or getattr(v, "ndim", 0) > 0
            for i, x in enumerate(v if many else [v]):
                if isinstance(x, str):
                    self._text("%s.%s.%d" % (name, k, i), x)
                else:
                    rows.append(("%s.%s" % (name, k), x, i))
        self._metrics(rows)

    def log_image(self, name, path=None, plot=None, description=""):
        if (path is None) == (plot is None):
            raise UserErrorException("log_image: one of path and plot is given")
        if path is not None:
            return self.upload_file(name + (os.path.splitext(path)[1] or ".png"), path)
        import tempfile

        with tempfile.TemporaryDirectory() as d:
            f = os.path.join(d, "plot.png")
            plot.savefig(f, bbox_inches="tight")
            self.upload_file(name + ".png", f)

    def _document(self, name, value, kind, keys):
        import json

        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as e:
                raise UserErrorException("log_%s: %s" % (kind, e))
        if not isinstance(value, dict) or not isinstance(value.get("data"), dict) or value.get("schema_type") != kind or not value.get("schema_version"):
            raise UserErrorException('log_%s: a dict with "schema_type": "%s", "schema_version" and "data" is asked for' % (kind, kind))
        for k in keys:
            if k not in value["data"]:
                raise UserErrorException('log_%s: "data" has no key "%s"' % (kind, k))
        self._bytes(name + ".json", json.dumps(value, default=lambda o: o.tolist()).encode())

    def log_confusion_matrix(self, name, value, description=""):
        self._document(name, value, "confusion_matrix", ("class_labels", "matrix"))

    def log_accuracy_table(self, name, value, description=""):
        self._document(name, value, "accuracy_table", ("probability_tables",))

    def log_residuals(self, name, value, description=""):
        self._document(name, value, "residuals", ())

    def log_predictions(self, name, value, description=""):
        self._document(name, value, "predictions", ())

    def upload_folder(self, name, path, datastore_name=None):
        if not os.path.isdir(path):
            raise UserErrorException("upload_folder: there is no folder %s" % path)
        for folder, _, files in os.walk(path):
            for f in files:
                p = os.path.join(folder, f)
                self.upload_file(name.rstrip("/") + "/" + os.path.relpath(p, path).replace(os.sep, "/"), p)

    def upload_files(self, names, paths, **kwargs):
        for n, p in zip(names, paths):
            self.upload_file(n, p)

    def upload_file(self, name, path_or_stream, datastore_name=None):
        if hasattr(path_or_stream, "read"):
            return self._bytes(name, path_or_stream.read())
        if not os.path.isfile(path_or_stream):
            raise UserErrorException("upload_file: there is no file %s" % path_or_stream)
        with open(path_or_stream, "rb") as f:
            return self._bytes(name, f)

    def tag(self, key, value=None):
        self._text(key, "" if value is None else str(value))

    def set_tags(self, tags):
        for k, v in tags.items():
            self.tag(k, v)

    def add_properties(self, properties):
        self.set_tags(properties)

    def flush(self, timeout_seconds=300):
        pass

    def get_status(self):
        return self.get_details()["status"]

    status = property(lambda self: self.get_status())

    def register_model(self, model_name, model_path=None, tags=None, properties=None, model_framework=None, model_framework_version=None,
                       description=None, datasets=None, sample_input_dataset=None, sample_output_dataset=None, resource_configuration=None, **kwargs):
        from .model import Model, used

        path = model_path or model_name
        if kwargs:
            raise UserErrorException("register_model: %s is not taken here" % ", ".join(sorted(kwargs)))
        if not os.path.exists(path):
            raise UserErrorException("register_model: there is no file or folder %s: models lie in outputs/" % path)
        return Model.register(None, path, model_name, tags=used(tags, datasets), properties=properties, description=description, model_framework=model_framework)


class _OfflineRun(Run):
    """Prints, as the original's does where no run is around a script."""

    def __init__(self, parent=None):
        import uuid

        super(_OfflineRun, self).__init__(None, "OfflineRun_" + str(uuid.uuid4()))
        self._parent = parent
        del self.experiment  # it has none, and hasattr says so

    def __getattr__(self, name):
        if name == "experiment":
            raise AttributeError("an offline run has no experiment: Experiment(ws, NAME).start_logging() begins a run that has")
        return super(_OfflineRun, self).__getattr__(name)

    parent = property(lambda self: self._parent)

    def _metrics(self, rows):
        for name, value, step in rows:
            print("Attempted to log scalar metric %s:\n%s" % (name, value))

    def _text(self, key, value):
        print("Attempted to tag the run: %s=%s" % (key, value))

    def _bytes(self, name, data):
        import shutil

        to = os.path.join("outputs", *[p for p in name.split("/") if p not in ("", ".", "..", "outputs")])
        if hasattr(data, "read") and os.path.isfile(to) and os.path.samefile(data.name, to):
            return  # it lies there already
        os.makedirs(os.path.dirname(to), exist_ok=True)
        with open(to, "wb") as f:
            if hasattr(data, "read"):
                shutil.copyfileobj(data, f)
            else:
                f.write(data)
        print("Attempted to upload %s: written to %s" % (name, to))

    def child_run(self, name=None, run_id=None, outputs=None):
        return _OfflineRun(self)

    def get_details(self):
        return {"runId": self.id, "status": "Running"}

    def get_metrics(self, *args, **kwargs):
        return {}

    def complete(self, _set_status=True):
        pass

    cancel = complete

    def fail(self, error_details=None, error_code=None, _set_status=True):
        pass

    def wait_for_completion(self, *args, **kwargs):
        return self.get_details()


def get_run(experiment, run_id, rehydrate=True, clean_up=True):
    from ._context import by_id

    return by_id(experiment, run_id)


def _inputs():
    """Folders of the inputs of a job, by name."""
    out = {}
    for k, v in os.environ.items():
        if k.startswith("AZURE_ML_INPUT_"):
            out[k[len("AZURE_ML_INPUT_"):]] = v
    return out


__getattr__ = module_getattr(__name__)
