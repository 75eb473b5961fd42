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
        self.distributed_job_config = distributed_job_config
        if distributed_job_config is not None and not hasattr(distributed_job_config, "_distribution"):
            raise UserErrorException("ScriptRunConfig: distributed_job_config is an MpiConfiguration, a PyTorchConfiguration or a TensorflowConfiguration here")
        if resume_from is not None:
            raise UserErrorException("ScriptRunConfig: resume_from is not there: download the files of that run, or make its output an input")

    def _write(self, folder, experiment, tags):
        """Writes the job's file (JSON is YAML) and returns its name."""
        import json

        from .environment import Environment

        env = self.environment or getattr(self.run_config, "environment", None) or Environment("cairn-default")
        inputs, outputs, names = {}, {}, {}

        def word(a):
            if hasattr(a, "_output"):
                name = a.name if a.name not in outputs else "%s%d" % (a.name, len(outputs))
                outputs[name] = a._output()
                return "${{outputs.%s}}" % name
            d = getattr(a, "dataset", None)
            if d is None and hasattr(a, "as_named_input"):
                a = a.as_named_input("input%d" % len(inputs)).as_mount()
                d = a.dataset
            if d is None:
                return quoted(str(a))
            name = "".join(c if c.isalnum() else "_" for c in a.name)
            key = id(d)
            if key not in names:
                if name in inputs:  # another data set under the same name
                    name = "%s%d" % (name, len(inputs))
                names[key] = name
                inputs[name] = _input(d, a.mode)
            return "${{inputs.%s}}" % names[key]

        words = [word(a) for a in self.arguments or getattr(self.run_config, "arguments", None) or []]
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
        name = getattr(self.compute_target, "name", self.compute_target) or getattr(self.run_config, "target", None)
        if name and name != "local":
            job["compute"] = "azureml:%s" % name
        if inputs:
            job["inputs"] = inputs
        if outputs:
            job["outputs"] = outputs
        if self.distributed_job_config is not None:
            job["distribution"], nodes = self.distributed_job_config._distribution()
            if nodes > 1:
                job["resources"] = {"instance_count": nodes}
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
