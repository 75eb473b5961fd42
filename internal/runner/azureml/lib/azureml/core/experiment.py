"""Experiments: names that runs are kept under."""

import os

from azureml import _cairn
from azureml._missing import Named, module_getattr
from azureml.exceptions import UserErrorException


class Experiment(Named):
    _named = None  # the one that the script last spoke of: its run is kept there

    def __init__(self, workspace, name, _skip_name_validation=False, _id=None, _quiet=False, **kwargs):
        if not name:
            raise UserErrorException("Experiment: name is empty")
        self.workspace, self.name = workspace, name
        if not _quiet:
            Experiment._named = self

    def __repr__(self):
        return "Experiment(Name: %s)" % self.name

    def submit(self, config, tags=None, **kwargs):
        write = getattr(config, "_write", None)
        if write is None or type(config).__name__ != "ScriptRunConfig":
            raise UserErrorException("Experiment.submit takes a ScriptRunConfig here, not a %s: pipelines and sweeps are jobs in YAML (az ml job create --file)" % type(config).__name__)
        import shutil
        import tempfile

        from ._submitted import Submitted

        d = tempfile.mkdtemp(prefix="azureml-job-")
        try:
            row = _cairn.az("ml", "job", "create", "-f", write(d, self.name, tags))
        finally:
            shutil.rmtree(d, ignore_errors=True)
        return Submitted(self, row["name"])

    def start_logging(self, outputs=None, snapshot_directory=None, display_name=None, **kwargs):
        from ._context import _Logged
        from .run import Run

        tracking = _cairn.Tracking(ask=True)
        if not tracking:
            raise UserErrorException("Experiment.start_logging: the tracking server cannot be reached: is MLFLOW_TRACKING_URI an http address?")
        run = _Logged(tracking, self, name=display_name)
        run.__dict__["_id"] = None  # a run of its own
        Run._context = run
        return run

    def get_runs(self, type=None, tags=None, properties=None, include_children=False):
        """Jobs of this experiment, and runs that scripts began themselves; the newest first."""
        from ._context import found
        from ._submitted import Submitted
        from .model import _has

        if properties:
            raise UserErrorException("Experiment.get_runs: properties are not taken here: tags are")
        jobs = {row["name"]: row for row in _cairn.az("ml", "job", "list", "--max-results", 1000) or [] if row.get("experiment_name") == self.name}
        logged = list(found(self, None))
        known = set(row["info"].get("run_name") for row, _ in logged)
        # What waits, or took earlier results before anything was logged, is newest.
        rows = [(jobs[n], Submitted(self, n)) for n in jobs if n not in known]
        for row, run in logged:
            name = row["info"].get("run_name")
            mine = {t["key"]: t["value"] for t in row["data"].get("tags", [])}
            if name in jobs:
                rows.append((jobs[name], Submitted(self, name)))
            elif include_children or "mlflow.parentRunId" not in mine:
                rows.append(({"tags": mine}, run))
        for row, run in rows:
            if _has(row, tags):
                yield run

    @staticmethod
    def list(workspace, **kwargs):
        seen = []
        for row in _cairn.az("ml", "job", "list", "--max-results", 1000) or []:
            if row.get("experiment_name") not in seen:
                seen.append(row.get("experiment_name"))
        return [Experiment(workspace, n, _quiet=True) for n in seen if n]

    def get_portal_url(self):
        return os.environ.get("CAIRN_URL", "")


__getattr__ = module_getattr(__name__)
