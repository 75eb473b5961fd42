"""Runs: the one that a script runs in, and those that were submitted."""

import os

from azureml import _cairn
from azureml._missing import Named
from azureml.exceptions import ActivityFailedException, UserErrorException

BATCH = 1000  # metrics of a request


def _now():
    import time

    return int(time.time() * 1000)


class Run(Named):
    """See get_context. experiment and run_id name one that was submitted."""

    _context = None

    def __init__(self, experiment=None, run_id=None, outputs=None, **kwargs):
        self.experiment = experiment
        self.id = run_id
        self._steps = {}

    @staticmethod
    def get_context(allow_offline=True, used_for_context_manager=False, **kwargs):
        if Run._context is None:
            tracking = _cairn.Tracking()
            if tracking:
                Run._context = _Logged(tracking)
            elif not allow_offline:
                raise UserErrorException("no run: MLFLOW_TRACKING_URI is not set, and offline runs are not allowed")
            else:
                Run._context = _Offline()
        return Run._context

    @staticmethod
    def get(workspace, run_id):
        return Submitted(None, run_id)

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
        n = self._steps.get(name, 0) if step is None else step
        self._steps[name] = n + 1
        self._metrics([(name, value, n)])

    def log_list(self, name, value, description=""):
        self._metrics([(name, v, i) for i, v in enumerate(value)])

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
            rows += [("%s.%s" % (name, k), x, i) for i, x in enumerate(v if isinstance(v, (list, tuple)) else [v])]
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
        if not isinstance(value, dict) or not isinstance(value.get("data"), dict):
            raise UserErrorException('log_%s: a dict with "schema_type", "schema_version" and "data" is asked for' % kind)
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
        with open(path_or_stream, "rb") as f:
            return self._bytes(name, f.read())

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

    def child_run(self, name=None, run_id=None, outputs=None):
        return self  # its metrics are those of the run

    def register_model(self, model_name, model_path=None, tags=None, properties=None, model_framework=None, model_framework_version=None,
                       description=None, datasets=None, sample_input_dataset=None, sample_output_dataset=None, resource_configuration=None, **kwargs):
        from .model import Model, used

        path = model_path or model_name
        if not os.path.exists(path):
            raise UserErrorException("register_model: there is no file or folder %s: models lie in outputs/" % path)
        return Model.register(None, path, model_name, tags=used(tags, datasets), properties=properties, description=description, model_framework=model_framework)


class _Offline(Run):
    """Prints, as the original's does where no run is around a script."""

    def __init__(self):
        import uuid

        super(_Offline, self).__init__(None, "OfflineRun_" + str(uuid.uuid4()))

    def _metrics(self, rows):
        for name, value, step in rows:
            print("Attempted to log scalar metric %s:\n%s" % (name, value))

    def _text(self, key, value):
        print("Attempted to tag the run: %s=%s" % (key, value))

    def _bytes(self, name, data):
        to = os.path.join("outputs", *[p for p in name.split("/") if p not in ("", ".", "..", "outputs")])
        os.makedirs(os.path.dirname(to), exist_ok=True)
        with open(to, "wb") as f:
            f.write(data)
        print("Attempted to upload %s: written to %s" % (name, to))

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


class _Logged(Run):
    """The run of the job that a script runs in: made when something is logged, unless the
    job has one."""

    def __init__(self, tracking, experiment=None):
        super(_Logged, self).__init__(experiment, None)
        self._tracking, self._mine, self._root = tracking, False, None
        self.__dict__["_id"] = os.environ.get("MLFLOW_RUN_ID")

    @property
    def id(self):
        if not self.__dict__.get("_id"):
            self._begin()
        return self.__dict__["_id"]

    @id.setter
    def id(self, value):
        if value:
            self.__dict__["_id"] = value

    @property
    def experiment(self):
        got = self.__dict__.get("_experiment")
        if got is None:
            from .experiment import Experiment
            from .workspace import Workspace

            got = Experiment(Workspace(), os.environ.get("MLFLOW_EXPERIMENT_NAME") or os.environ.get("GITHUB_WORKFLOW") or "Default")
        return got

    @experiment.setter
    def experiment(self, value):
        self.__dict__["_experiment"] = value

    def _begin(self):
        import atexit
        import sys

        exp = self._tracking.experiment(self.experiment.name)
        made = self._tracking.send("POST", "mlflow/runs/create", {
            "experiment_id": exp, "start_time": _now(), "tags": [{"key": "mlflow.source.name", "value": os.path.basename(sys.argv[0] or "python")}]})
        self.__dict__["_id"], self._mine = made["run"]["info"]["run_id"], True
        hook = sys.excepthook

        def failed(kind, value, trace):
            self._end("FAILED")
            hook(kind, value, trace)

        sys.excepthook = failed
        atexit.register(self._end, "FINISHED")

    def _end(self, status):
        if self._mine:
            self._mine = False
            self._tracking.send("POST", "mlflow/runs/update", {"run_id": self.id, "status": status, "end_time": _now()})

    def _metrics(self, rows):
        t = _now()
        all_rows = [{"key": n, "value": float(v), "step": s, "timestamp": t} for n, v, s in rows]
        for i in range(0, len(all_rows), BATCH):
            self._tracking.send("POST", "mlflow/runs/log-batch", {"run_id": self.id, "metrics": all_rows[i:i + BATCH]})

    def _text(self, key, value):
        self._tracking.send("POST", "mlflow/runs/set-tag", {"run_id": self.id, "key": key, "value": value})

    def _bytes(self, name, data):
        import urllib.parse

        if self._root is None:
            info = self._tracking.send("GET", "mlflow/runs/get", query={"run_id": self.id})["run"]["info"]
            self._root = info["artifact_uri"].split(":", 1)[1].lstrip("/")
        self._tracking.send("PUT", "mlflow-artifacts/artifacts/" + urllib.parse.quote(self._root.rstrip("/") + "/" + name.lstrip("/")), raw=data)

    def get_metrics(self, name=None, *args, **kwargs):
        rows = self._tracking.send("GET", "mlflow/runs/get", query={"run_id": self.id})["run"]["data"].get("metrics", [])
        return {m["key"]: m["value"] for m in rows if name is None or m["key"] == name}

    def get_details(self):
        info = self._tracking.send("GET", "mlflow/runs/get", query={"run_id": self.id})["run"]["info"]
        words = {"RUNNING": "Running", "FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled"}
        return {"runId": self.id, "status": words.get(info["status"], info["status"])}

    def get_tags(self):
        return {t["key"]: t["value"] for t in self._tracking.send("GET", "mlflow/runs/get", query={"run_id": self.id})["run"]["data"].get("tags", [])}

    tags = property(lambda self: self.get_tags())

    def complete(self, _set_status=True):
        self._end("FINISHED")

    def fail(self, error_details=None, error_code=None, _set_status=True):
        if error_details:
            self._text("error", str(error_details))
        self._end("FAILED")

    def cancel(self):
        self._end("KILLED")

    def wait_for_completion(self, *args, **kwargs):
        return self.get_details()


class Submitted(Run):
    """A job that was started by Experiment.submit."""

    def get_details(self):
        row = _cairn.az("ml", "job", "show", "-n", self.id)
        return {"runId": self.id, "status": row["status"], "properties": row.get("properties") or {}, "endTimeUtc": None, "_job": row}

    def get_portal_url(self):
        return (self.get_details()["_job"].get("services") or {}).get("Studio", {}).get("endpoint", "")

    def wait_for_completion(self, show_output=False, wait_post_processing=False, raise_on_error=True):
        import time

        if show_output:
            try:
                _cairn.az("ml", "job", "stream", "-n", self.id, show=True)
            except UserErrorException:
                pass  # it failed: said below
        wait = 0.1
        while True:
            d = self.get_details()
            if d["status"] in ("Completed", "Failed", "Canceled"):
                break
            time.sleep(wait)
            wait = min(wait * 1.5, 2)
        if d["status"] == "Failed" and raise_on_error:
            raise ActivityFailedException("run %s failed: az ml job stream --name %s shows why" % (self.id, self.id))
        return d

    def _artifacts(self, to):
        _cairn.az("ml", "job", "download", "-n", self.id, "-p", to)
        root = os.path.join(to, "artifacts")
        return root if os.path.isdir(root) else to

    def _names(self, root):
        out = []
        for folder, _, files in os.walk(root):
            out += [os.path.relpath(os.path.join(folder, f), root).replace(os.sep, "/") for f in files]
        return sorted(out)

    def get_file_names(self):
        import tempfile

        with tempfile.TemporaryDirectory() as d:
            return self._names(self._artifacts(d))

    def download_files(self, prefix=None, output_directory=None, output_paths=None, batch_size=100, append_prefix=True, timeout_seconds=None):
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory() as d:
            root = self._artifacts(d)
            for name in self._names(root):
                if prefix and not name.startswith(prefix):
                    continue
                rest = name if append_prefix or not prefix else name[len(prefix):].lstrip("/") or os.path.basename(name)
                to = os.path.join(output_directory or ".", *rest.split("/"))
                os.makedirs(os.path.dirname(to) or ".", exist_ok=True)
                shutil.copyfile(os.path.join(root, *name.split("/")), to)

    def download_file(self, name, output_file_path=None, _validate_checksum=False):
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory() as d:
            root = self._artifacts(d)
            if name not in self._names(root):
                raise UserErrorException("run %s has no file %s; it has %s" % (self.id, name, ", ".join(self._names(root)[:20])))
            to = output_file_path or os.path.basename(name)
            if os.path.isdir(to):
                to = os.path.join(to, os.path.basename(name))
            os.makedirs(os.path.dirname(to) or ".", exist_ok=True)
            shutil.copyfile(os.path.join(root, *name.split("/")), to)

    def cancel(self):
        _cairn.az("ml", "job", "cancel", "-n", self.id)

    def tag(self, key, value=None):
        _cairn.az("ml", "job", "update", "-n", self.id, "--set", "tags.%s=%s" % (key, value))

    def get_tags(self):
        return self.get_details()["_job"].get("tags") or {}

    tags = property(lambda self: self.get_tags())

    def get_metrics(self, name=None, *args, **kwargs):
        tracking = _cairn.Tracking(ask=True)
        exp = tracking.experiment(self.get_details()["_job"]["experiment_name"])
        got = tracking.send("POST", "mlflow/runs/search", {"experiment_ids": [exp], "filter": "tags.`mlflow.runName` = '%s'" % self.id, "max_results": 1})
        runs = got.get("runs", [])
        rows = runs[0]["data"].get("metrics", []) if runs else []
        return {m["key"]: m["value"] for m in rows if name is None or m["key"] == name}

    def register_model(self, model_name, model_path=None, tags=None, properties=None, description=None, datasets=None, model_framework=None, **kwargs):
        from .model import Model, used

        path = "azureml://jobs/%s/outputs/artifacts/paths/%s" % (self.id, model_path or "outputs")
        return Model._create(model_name, path, used(tags, datasets), description, model_framework)


def get_run(experiment, run_id, rehydrate=True, clean_up=True):
    return Submitted(experiment, run_id)


def _inputs():
    """Folders of the inputs of a job, by name."""
    out = {}
    for k, v in os.environ.items():
        if k.startswith("AZURE_ML_INPUT_"):
            out[k[len("AZURE_ML_INPUT_"):]] = v
    return out
