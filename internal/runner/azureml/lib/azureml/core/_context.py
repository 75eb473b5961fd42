"""The run that a script runs in, where Cairn keeps what it logs."""

import os

from azureml import _cairn
from azureml.exceptions import UserErrorException

from .run import Run

BATCH = 1000  # metrics of a request


def _now():
    import time

    return int(time.time() * 1000)


class _Logged(Run):
    """The run of the job that a script runs in: made when something is logged, unless the
    job has one."""

    def __init__(self, tracking, experiment=None, parent=None, name=None):
        super(_Logged, self).__init__(experiment, None)
        self._tracking, self._mine, self._root = tracking, False, None
        self._parent, self._called = parent, name
        self.__dict__["_id"] = os.environ.get("MLFLOW_RUN_ID")

    parent = property(lambda self: self._parent)

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

            named = os.environ.get("MLFLOW_EXPERIMENT_NAME")
            if not named and Experiment._named is not None:
                return Experiment._named  # what the script speaks of
            got = Experiment(Workspace(), named or os.environ.get("GITHUB_WORKFLOW") or "Default", _quiet=True)
        return got

    @experiment.setter
    def experiment(self, value):
        self.__dict__["_experiment"] = value

    def _begin(self):
        import atexit
        import sys

        tags = [{"key": "mlflow.source.name", "value": os.path.basename(sys.argv[0] or "python")}]
        if self._parent is not None:
            tags.append({"key": "mlflow.parentRunId", "value": self._parent.id})
        body = {"experiment_id": self._tracking.experiment(self.experiment.name), "start_time": _now(), "tags": tags}
        if self._called:
            body["run_name"] = self._called
        made = self._tracking.send("POST", "mlflow/runs/create", body)
        self.__dict__["_id"], self._mine = made["run"]["info"]["run_id"], True
        hook = sys.excepthook

        def failed(kind, value, trace):
            self._close("FAILED")
            hook(kind, value, trace)

        sys.excepthook = failed
        atexit.register(self._close, "FINISHED")

    def _close(self, status):
        """Ends the run behind the script: that this fails must not hide the script's own error."""
        import sys

        try:
            self._end(status)
        except UserErrorException as e:
            sys.stderr.write("run %s stays open: %s\n" % (self.id, e))

    def child_run(self, name=None, run_id=None, outputs=None):
        child = _Logged(self._tracking, self.experiment, self, name)
        child.__dict__["_id"] = None  # a run of its own
        return child

    def _end(self, status):
        if self._mine:
            self._mine = False
            self._tracking.send("POST", "mlflow/runs/update", {"run_id": self.id, "status": status, "end_time": _now()})

    def _metrics(self, rows):
        t = _now()
        all_rows = []
        for n, v, s in rows:
            try:
                all_rows.append({"key": n, "value": float(v), "step": s, "timestamp": t})
            except (TypeError, ValueError):
                raise UserErrorException("log: %s is a number or a text, not %r" % (n, v))
        for m in all_rows:  # JSON has no such numbers; these words stand for them
            if m["value"] != m["value"]:
                m["value"] = "NaN"
            elif m["value"] in (float("inf"), float("-inf")):
                m["value"] = "Infinity" if m["value"] > 0 else "-Infinity"
        for i in range(0, len(all_rows), BATCH):
            self._tracking.send("POST", "mlflow/runs/log-batch", {"run_id": self.id, "metrics": all_rows[i:i + BATCH]})

    def _text(self, key, value):
        self._tracking.send("POST", "mlflow/runs/set-tag", {"run_id": self.id, "key": key, "value": value})

    def _at(self, name):
        """The path of an artifact below the MLflow interface."""
        import urllib.parse

        if self._root is None:
            self._root = self._info()["info"]["artifact_uri"].split(":", 1)[1].lstrip("/")
        return "mlflow-artifacts/artifacts/" + urllib.parse.quote(self._root.rstrip("/") + "/" + name.lstrip("/"))

    def _bytes(self, name, data):
        self._tracking.send("PUT", self._at(name), raw=data)

    def get_file_names(self):
        out, folders = [], [""]
        while folders:
            at = folders.pop()
            query = {"run_id": self.id, "path": at} if at else {"run_id": self.id}
            while True:
                got = self._tracking.send("GET", "mlflow/artifacts/list", query=query) or {}
                for f in got.get("files", []):
                    (folders if f.get("is_dir") else out).append(f["path"])
                if not got.get("next_page_token"):
                    break
                query = dict(query, page_token=got["next_page_token"])
        return sorted(out)

    def download_file(self, name, output_file_path=None, _validate_checksum=False):
        to = output_file_path or os.path.basename(name)
        if os.path.isdir(to):
            to = os.path.join(to, os.path.basename(name))
        if name not in self.get_file_names():
            raise UserErrorException("run %s has no file %s: files that lie in outputs/ come to it when the job ends" % (self.id, name))
        os.makedirs(os.path.dirname(to) or ".", exist_ok=True)
        with open(to, "wb") as f:
            self._tracking.send("GET", self._at(name), to=f)

    def download_files(self, prefix=None, output_directory=None, output_paths=None, batch_size=100, append_prefix=True, timeout_seconds=None):
        for name in self.get_file_names():
            if not prefix or name.startswith(prefix):
                rest = name if append_prefix or not prefix else name[len(prefix):].lstrip("/") or os.path.basename(name)
                self.download_file(name, os.path.join(output_directory or ".", *rest.split("/")))

    def _info(self):
        got = self._tracking.send("GET", "mlflow/runs/get", query={"run_id": self.id})
        if got is None:
            raise UserErrorException("run %s is not there any more" % self.id)
        return got["run"]

    def get_metrics(self, name=None, *args, **kwargs):
        return _cairn.values(self._info()["data"].get("metrics", []), name)

    def get_details(self):
        words = {"RUNNING": "Running", "FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled"}
        status = self._info()["info"]["status"]
        return {"runId": self.id, "status": words.get(status, status)}

    def get_tags(self):
        return {t["key"]: t["value"] for t in self._info()["data"].get("tags", [])}

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

    def get_children(self, recursive=False, tags=None, properties=None, type=None, status=None, _rehydrate_runs=True):
        if recursive or tags or properties or type or status:
            raise UserErrorException("Run.get_children takes nothing here: look at what it gives")
        for _, run in found(self.experiment, self):
            yield run


PAGE = 500  # runs of an answer


def found(experiment, parent):
    """The runs of an experiment, or those below one, with what the server says of them."""
    if parent is not None:
        tracking, at = parent._tracking, parent._info()["info"]["experiment_id"]
    else:
        tracking = _cairn.Tracking(ask=True)
        got = tracking.send("GET", "mlflow/experiments/get-by-name", query={"experiment_name": experiment.name}) if tracking else None
        if not got:
            return
        at = got["experiment"]["experiment_id"]
    ask = {"experiment_ids": [at], "max_results": PAGE, "order_by": ["attributes.start_time DESC"]}
    if parent is not None:
        ask["filter"] = "tags.`mlflow.parentRunId` = '%s'" % parent.id
    while True:
        got = tracking.send("POST", "mlflow/runs/search", ask) or {}
        for row in got.get("runs", []):
            run = _Logged(tracking, experiment, parent)
            run.id = row["info"]["run_id"]
            yield row, run
        if not got.get("next_page_token"):
            return
        ask = dict(ask, page_token=got["next_page_token"])


def by_id(experiment, run_id):
    """A job by its name, or a run by its id."""
    from ._submitted import Submitted

    if _cairn.az("ml", "job", "show", "-n", run_id, missing=None) is not None:
        return Submitted(experiment, run_id)
    tracking = _cairn.Tracking(ask=True)
    if not tracking or tracking.send("GET", "mlflow/runs/get", query={"run_id": run_id}) is None:
        raise UserErrorException("RunNotFound: no job and no run is called %s" % run_id)
    run = _Logged(tracking, experiment)
    run.id = run_id
    return run
