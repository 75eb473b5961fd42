"""Runs of jobs that were submitted."""

import os

from azureml import _cairn
from azureml.exceptions import ActivityFailedException, UserErrorException

from .run import Run


class Submitted(Run):
    """A job that was started by Experiment.submit."""

    @property
    def experiment(self):
        if self.__dict__.get("_experiment") is None:
            from .experiment import Experiment
            from .workspace import Workspace

            self._experiment = Experiment(Workspace(), self.get_details()["_job"]["experiment_name"], _quiet=True)
        return self._experiment

    @experiment.setter
    def experiment(self, value):
        self._experiment = value

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
        _cairn.az("ml", "job", "update", "-n", self.id, "--set", "tags.%s=%s" % (key, "" if value is None else value))

    def get_tags(self):
        return self.get_details()["_job"].get("tags") or {}

    tags = property(lambda self: self.get_tags())

    def _tracked(self):
        """The run that the job logs to, as the tracking server has it."""
        tracking = _cairn.Tracking(ask=True)
        exp = tracking.experiment(self.get_details()["_job"]["experiment_name"])
        got = tracking.send("POST", "mlflow/runs/search", {"experiment_ids": [exp], "filter": "tags.`mlflow.runName` = '%s'" % self.id, "max_results": 1})
        runs = (got or {}).get("runs", [])
        return tracking, (runs[0] if runs else None)

    def _source(self):
        """The job whose results this one took instead of running; None where it ran."""
        import re

        n = re.search(r"/runs/(\d+)$", self.get_portal_url())
        row = _cairn.api("/runs/" + n.group(1)) if n else None
        kept = ((row or {}).get("submitted") or {}).get("outputs", {}).get("artifacts", "")
        at = re.search(r'"ref":"artifact/(\d+)\.', kept)
        if not at or at.group(1) == n.group(1):
            return None
        first = _cairn.api("/runs/" + at.group(1))
        name = ((first or {}).get("submitted") or {}).get("name")
        return Submitted(None, name) if name else None

    def get_metrics(self, name=None, *args, **kwargs):
        run = self._tracked()[1]
        rows = run["data"].get("metrics", []) if run else []
        if not rows:
            first = self._source()
            if first is not None:
                return first.get_metrics(name)
        return _cairn.values(rows, name)

    def _into(self):
        """The run to log to from outside of the job."""
        from ._context import _Logged

        tracking, run = self._tracked()
        if run is None:
            raise UserErrorException("run %s has logged nothing yet, and nothing can be logged for it from here" % self.id)
        out = _Logged(tracking, self.experiment)
        out.id = run["info"]["run_id"]
        return out

    def get_children(self, *args, **kwargs):
        run = self._tracked()[1]
        return self._into().get_children(*args, **kwargs) if run else iter(())

    def _metrics(self, rows):
        self._into()._metrics(rows)

    def _bytes(self, name, data):
        self._into()._bytes(name, data)

    def _text(self, key, value):
        self.tag(key, value)

    def register_model(self, model_name, model_path=None, tags=None, properties=None, description=None, datasets=None, model_framework=None,
                       model_framework_version=None, sample_input_dataset=None, sample_output_dataset=None, resource_configuration=None, **kwargs):
        from .model import Model, used

        # By its place in the job, so that the model leads back to it.
        path = "azureml://jobs/%s/outputs/artifacts/paths/%s" % (self.id, (model_path or model_name).strip("/"))
        return Model._create(model_name, path, used(tags, datasets), description, model_framework, properties=properties)
