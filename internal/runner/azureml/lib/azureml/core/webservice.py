"""Deployed models: online endpoints with one deployment."""

import os

from azureml import _cairn
from azureml._missing import Named, module_getattr
from azureml.exceptions import WebserviceException

DEPLOYMENT = "default"

# What a cluster would be told: this machine is as large as it is.
IGNORED = ("cpu_cores", "memory_gb", "gpu_cores", "auth_enabled", "enable_app_insights", "collect_model_data", "autoscale_enabled", "autoscale_min_replicas",
           "autoscale_max_replicas", "num_replicas", "cpu_cores_limit", "memory_gb_limit", "ssl_enabled")


def _state(row):
    """A deployment's state in the words of web services."""
    if row is None:
        return "Unknown"
    return {"Succeeded": "Healthy", "Failed": "Failed"}.get(row.get("provisioning_state"), "Transitioning")


def endpoint_name(name):
    """A service's name as that of an endpoint, which has no underscores."""
    import re

    return re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")


class Config(Named):
    def __init__(self, kind, **values):
        self.kind = kind
        self.__dict__.update(values)


class Webservice(Named):
    def __init__(self, workspace, name):
        row = _cairn.az("ml", "online-endpoint", "show", "-n", endpoint_name(name), missing=None)
        if row is None:
            raise WebserviceException("WebserviceNotFound: Webservice with name %s not found in provided workspace" % name)
        self.workspace, self._row = workspace, row

    @classmethod
    def _of(cls, workspace, row):
        s = cls.__new__(cls)
        s.workspace, s._row = workspace, row
        return s

    name = property(lambda self: self._row["name"])
    scoring_uri = property(lambda self: self._row["scoring_uri"])
    swagger_uri = property(lambda self: None)
    tags = property(lambda self: dict(self._row.get("tags") or {}))
    auth_enabled = property(lambda self: True)

    @property
    def state(self):
        return _state(self._deployment())

    def _deployment(self):
        """What serves behind the endpoint; None where nothing does."""
        rows = _cairn.az("ml", "online-deployment", "list", "-e", self.name, missing=None) or []
        weights = self._row.get("traffic") or {}
        return max(rows, key=lambda r: weights.get(r["name"], 0)) if rows else None

    @staticmethod
    def list(workspace, **kwargs):
        return [Webservice._of(workspace, r) for r in _cairn.az("ml", "online-endpoint", "list") or []]

    def wait_for_deployment(self, show_output=False, timeout_sec=None):
        # az returns once it serves, or with why it does not: there is nothing left to wait for.
        self.update_deployment_state()
        state = self.state
        if state != "Healthy":
            raise WebserviceException("Webservice %s is %s: get_logs shows what it printed" % (self.name, state))
        if show_output:
            print("Succeeded\n%s" % self.scoring_uri)

    def update_deployment_state(self):
        self._row = _cairn.az("ml", "online-endpoint", "show", "-n", self.name)

    def get_keys(self):
        k = _cairn.az("ml", "online-endpoint", "get-credentials", "-n", self.name)
        return k["primaryKey"], k["secondaryKey"]

    def regen_key(self, key, set_key=None):
        _cairn.az("ml", "online-endpoint", "regenerate-keys", "-n", self.name, "--key-type", str(key).lower(), "--yes")

    def get_token(self):
        raise WebserviceException("Webservice.get_token is not there: get_keys gives what a caller shows")

    def run(self, input_data, *args, **kwargs):
        import json
        import urllib.error
        import urllib.request

        data = input_data if isinstance(input_data, bytes) else input_data.encode()
        r = urllib.request.Request(self.scoring_uri, data=data, headers={"Content-Type": "application/json", "Authorization": "Bearer " + self.get_keys()[0]})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(r, timeout=300) as resp:
                text = resp.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as e:
            raise WebserviceException("the service answered %d: %s" % (e.code, e.read().decode("utf-8", "replace")))
        except urllib.error.URLError as e:
            raise WebserviceException("the service at %s does not answer: %s" % (self.scoring_uri, e.reason))
        try:
            return json.loads(text)
        except ValueError:
            return text

    def get_logs(self, num_lines=5000, init=False):
        import subprocess

        d = self._deployment()
        if d is None:
            raise WebserviceException("Webservice %s has no deployment" % self.name)
        line = [_cairn.program(), "az", "ml", "online-deployment", "get-logs", "-e", self.name, "-n", d["name"], "-l", str(num_lines)]
        p = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = [t.decode("utf-8", "replace") for t in p.communicate()]
        if p.returncode != 0:
            raise WebserviceException(err.strip())
        return out

    def update(self, models=None, inference_config=None, tags=None, description=None, **kwargs):
        if not models or inference_config is None:
            raise WebserviceException("Webservice.update takes models and inference_config together here: what is served is built anew of both")
        others = sorted(k for k, v in kwargs.items() if v is not None and k not in IGNORED)
        if others:
            raise WebserviceException("Webservice.update: %s is not taken here" % ", ".join(others))
        self._row = deploy(self.workspace, self.name, models, inference_config, Config("service", tags=tags, description=description), True)._row

    def delete(self):
        _cairn.az("ml", "online-endpoint", "delete", "-n", self.name, "--yes")

    def serialize(self):
        return dict(self._row)


class _Kind(Webservice):
    @staticmethod
    def deploy_configuration(cpu_cores=None, memory_gb=None, tags=None, properties=None, description=None, auth_enabled=None, **kwargs):
        return Config("service", tags=tags, description=description)


class AciWebservice(_Kind):
    pass


class AksWebservice(_Kind):
    pass


class LocalWebservice(_Kind):
    @staticmethod
    def deploy_configuration(port=None):
        return Config("service", tags=None, description=None)

    def reload(self, wait=False):
        pass


def deploy(workspace, name, models, inference, config, overwrite):
    import json
    import tempfile

    name = endpoint_name(name)
    if _cairn.az("ml", "online-endpoint", "show", "-n", name, missing=None) is not None and not overwrite:
        raise WebserviceException("a service with name %s is there: give overwrite=True to put this one in its place" % name)
    if len(models) > 1:
        raise WebserviceException("Model.deploy: several models for one service are not taken here: register one folder with all of them")
    about = {"name": name, "auth_mode": "key"}
    if getattr(config, "description", None):
        about["description"] = config.description
    if getattr(config, "tags", None):
        about["tags"] = {k: str(v) for k, v in config.tags.items()}
    spec = {"name": DEPLOYMENT, "endpoint_name": name, "instance_type": "local", "instance_count": 1}
    if models:
        spec["model"] = "azureml:%s:%s" % (models[0].name, models[0].version)
    if inference is not None:
        folder = os.path.abspath(inference.source_directory or os.path.dirname(os.path.abspath(inference.entry_script)))
        script = inference.entry_script if inference.source_directory else os.path.basename(inference.entry_script)
        spec["code_configuration"] = {"code": folder, "scoring_script": script}
        if inference.environment is not None:
            spec["environment"] = inference.environment._spec()
            spec["environment_variables"] = dict(inference.environment.environment_variables or {})
        elif inference.conda_file:
            spec["environment"] = {"image": inference.base_image or "python:3", "conda_file": os.path.abspath(inference.conda_file)}
    # Scripts of then take requests one after the other, without a queue's end.
    spec["request_settings"] = {"request_timeout_ms": 60000, "max_queue_wait_ms": 60000}
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "endpoint.yml")
        with open(path, "w") as f:
            json.dump(about, f)
        _cairn.az("ml", "online-endpoint", "create", "-f", path)
        path = os.path.join(d, "deployment.yml")
        with open(path, "w") as f:
            json.dump(spec, f)
        _cairn.az("ml", "online-deployment", "create", "-f", path, "--all-traffic")
    return Webservice(workspace, name)


__getattr__ = module_getattr(__name__)
