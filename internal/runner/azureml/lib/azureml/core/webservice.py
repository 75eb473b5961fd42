"""Deployed models: online endpoints with one deployment."""

import os

from azureml import _cairn
from azureml._missing import Named, module_getattr
from azureml.exceptions import WebserviceException

DEPLOYMENT = "default"


class Config(Named):
    def __init__(self, kind, **values):
        self.kind = kind
        self.__dict__.update(values)


class Webservice(Named):
    def __init__(self, workspace, name):
        row = _cairn.az("ml", "online-endpoint", "show", "-n", name, missing=None)
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
    state = property(lambda self: "Healthy")
    tags = property(lambda self: dict(self._row.get("tags") or {}))
    auth_enabled = property(lambda self: True)

    @staticmethod
    def list(workspace, **kwargs):
        return [Webservice._of(workspace, r) for r in _cairn.az("ml", "online-endpoint", "list") or []]

    def wait_for_deployment(self, show_output=False, timeout_sec=None):
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
                return json.loads(resp.read().decode())
        except urllib.error.HTTPError as e:
            raise WebserviceException("the service answered %d: %s" % (e.code, e.read().decode("utf-8", "replace")))

    def get_logs(self, num_lines=5000, init=False):
        import subprocess

        return subprocess.check_output([_cairn.program(), "az", "ml", "online-deployment", "get-logs", "-e", self.name, "-n", DEPLOYMENT, "-l", str(num_lines)], universal_newlines=True)

    def update(self, *args, **kwargs):
        raise WebserviceException("Webservice.update is not there: Model.deploy with overwrite=True puts another version in its place")

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
    import re
    import tempfile

    name = re.sub(r"[^A-Za-z0-9-]+", "-", name).strip("-")
    if _cairn.az("ml", "online-endpoint", "show", "-n", name, missing=None) is not None and not overwrite:
        raise WebserviceException("a service with name %s is there: give overwrite=True to put this one in its place" % name)
    if len(models) > 1:
        raise WebserviceException("Model.deploy: several models for one service are not taken here: register one folder with all of them")
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
    _cairn.az("ml", "online-endpoint", "create", "-n", name)
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "deployment.yml")
        with open(path, "w") as f:
            json.dump(spec, f)
        _cairn.az("ml", "online-deployment", "create", "-f", path, "--all-traffic")
    return Webservice(workspace, name)


__getattr__ = module_getattr(__name__)
