"""A script with all that it needs, which becomes a command job."""

import os

from azureml._missing import Named
from azureml.exceptions import UserErrorException


def quoted(text):
    """A word for bash; bindings stay as they are."""
    import shlex

    return text if text.startswith("${{") else shlex.quote(text)


class ScriptRunConfig(Named):
    def __init__(self, source_directory, script=None, arguments=None, run_config=None, _telemetry_values=None, compute_target=None, environment=None,
                 distributed_job_config=None, resume_from=None, max_run_duration_seconds=None, command=None, docker_runtime_config=None, **kwargs):
        if (script is None) == (command is None):
            raise UserErrorException("ScriptRunConfig: one of script and command is given")
        self.source_directory, self.script, self.command = source_directory, script, command
        self.arguments = arguments or []
        self.run_config = run_config
        self.compute_target, self.environment = compute_target, environment
        self.max_run_duration_seconds = max_run_duration_seconds
        if distributed_job_config is not None:
            raise UserErrorException("ScriptRunConfig: distributed_job_config is not there: distribution: {type: pytorch} in a job's YAML does it")

    def _write(self, folder, experiment, tags):
        """Writes the job's file (JSON is YAML) and returns its name."""
        import json

        from .environment import Environment

        env = self.environment or getattr(self.run_config, "environment", None) or Environment("cairn-default")
        inputs, names = {}, {}

        def word(a):
            d = getattr(a, "dataset", None)
            if d is None and hasattr(a, "as_named_input"):
                a = a.as_named_input("input%d" % len(inputs)).as_mount()
                d = a.dataset
            if d is None:
                return quoted(str(a))
            name = "".join(c if c.isalnum() else "_" for c in a.name)
            key = id(d)
            if key not in names:
                names[key] = name
                inputs[name] = d._input() if hasattr(d, "_input") else _input(d, a.mode)
            return "${{inputs.%s}}" % names[key]

        words = [word(a) for a in self.arguments]
        if self.command is not None:
            line = self.command if isinstance(self.command, str) else " ".join(word(a) for a in self.command)
        else:
            if not os.path.isfile(os.path.join(self.source_directory or ".", self.script)):
                raise UserErrorException("ScriptRunConfig: there is no script %s in %s" % (self.script, self.source_directory))
            line = "python " + quoted(self.script)
        job = {
            "type": "command", "command": " ".join([line] + words), "code": os.path.abspath(self.source_directory or "."), "experiment_name": experiment,
            "environment": env._spec(), "compute": "local", "environment_variables": dict(env.environment_variables or {}),
        }
        name = getattr(self.compute_target, "name", self.compute_target)
        if name and name != "local":
            job["compute"] = "azureml:%s" % name
        if inputs:
            job["inputs"] = inputs
        if tags:
            job["tags"] = {k: str(v) for k, v in tags.items()}
        if self.max_run_duration_seconds:
            job["limits"] = {"timeout": int(self.max_run_duration_seconds)}
        path = os.path.join(folder, "job.yml")
        with open(path, "w") as f:
            json.dump(job, f)
        return path


def _input(d, mode):
    if d._row is None:
        local = d._root()
        return {"type": "uri_file" if os.path.isfile(local) else "uri_folder", "path": os.path.abspath(local)}
    out = {"type": d._row.get("type") or "uri_folder", "path": "azureml:%s:%s" % (d._row["name"], d._row["version"])}
    if mode == "download":
        out["mode"] = "download"
    return out
