"""The one workspace, under whatever name."""

import os

from azureml import _cairn
from azureml._missing import Named
from azureml.exceptions import UserErrorException, WebserviceException


class Workspace(Named):
    def __init__(self, subscription_id=None, resource_group=None, workspace_name=None, auth=None, **kwargs):
        self.subscription_id = subscription_id or os.environ.get("AZUREML_ARM_SUBSCRIPTION") or "00000000-0000-0000-0000-000000000000"
        self.resource_group = resource_group or os.environ.get("AZUREML_ARM_RESOURCEGROUP") or "cairn"
        self.name = workspace_name or os.environ.get("AZUREML_ARM_WORKSPACE_NAME") or "default"
        self.location = "local"
        self._auth = auth
        if os.environ.get("CAIRN_AZURE_NAMES"):  # cairn azure map may refuse what is named
            given = [("--subscription", subscription_id), ("-g", resource_group), ("-n", workspace_name)]
            words = [w for flag, value in given if value for w in (flag, value)]
            if words:
                _cairn.az("ml", "workspace", "show", *words)

    def __repr__(self):
        return "Workspace.create(name='%s', subscription_id='%s', resource_group='%s')" % (self.name, self.subscription_id, self.resource_group)

    @classmethod
    def get(cls, name, auth=None, subscription_id=None, resource_group=None, location=None, cloud=None, id=None):
        if not name:
            raise UserErrorException("Workspace.get: name is empty: is the variable set?")
        return cls(subscription_id, resource_group, name, auth)

    @classmethod
    def create(cls, name, auth=None, subscription_id=None, resource_group=None, location=None, exist_ok=False, **kwargs):
        return cls(subscription_id, resource_group, name, auth)

    @classmethod
    def setup(cls):
        return cls()

    @classmethod
    def list(cls, subscription_id=None, auth=None, resource_group=None):
        ws = cls(subscription_id, resource_group, auth=auth)
        return {ws.name: [ws]}

    @classmethod
    def from_config(cls, path=None, auth=None, _logger=None, _file_name=None):
        import json

        here = os.path.abspath(path or ".")
        if os.path.isfile(here):
            places = [here]
        else:
            places, dirs = [], here
            while True:
                for sub in (".azureml", "aml_config", ""):
                    places.append(os.path.join(dirs, sub, _file_name or "config.json"))
                up = os.path.dirname(dirs)
                if up == dirs:
                    break
                dirs = up
        for p in places:
            if os.path.isfile(p):
                with open(p) as f:
                    c = json.load(f)
                return cls(c.get("subscription_id"), c.get("resource_group"), c.get("workspace_name"), auth)
        return cls(auth=auth)  # the one that there is

    def write_config(self, path=None, file_name=None):
        import json

        folder = os.path.join(path or ".", ".azureml")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, file_name or "config.json"), "w") as f:
            json.dump({"subscription_id": self.subscription_id, "resource_group": self.resource_group, "workspace_name": self.name}, f)

    def get_details(self):
        return _cairn.az("ml", "workspace", "show", "-n", self.name, "-g", self.resource_group)

    def get_default_datastore(self):
        from .datastore import Datastore

        return Datastore(self, "workspaceblobstore")

    def get_default_keyvault(self):
        raise UserErrorException("Workspace.get_default_keyvault is not there: secrets are set with cairn secret set, and come as variables")

    def get_mlflow_tracking_uri(self, **kwargs):
        return _cairn.Tracking(ask=True).base

    @property
    def datastores(self):
        ds = self.get_default_datastore()
        return {ds.name: ds}

    @property
    def datasets(self):
        from .dataset import Dataset

        return Dataset.get_all(self)

    @property
    def models(self):
        from .model import Model

        return {m.name: m for m in reversed(Model.list(self))}

    @property
    def environments(self):
        from .environment import Environment

        return Environment.list(self)

    @property
    def experiments(self):
        from .experiment import Experiment

        return {e.name: e for e in Experiment.list(self)}

    @property
    def compute_targets(self):
        from .compute import ComputeTarget

        return {c.name: c for c in ComputeTarget.list(self)}

    @property
    def webservices(self):
        from .webservice import Webservice

        return {w.name: w for w in Webservice.list(self)}

    def delete(self, *args, **kwargs):
        raise WebserviceException("Workspace.delete is not there: there is one workspace, the folder CAIRN_HOME")
