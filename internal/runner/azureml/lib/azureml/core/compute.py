"""Compute: pools of this machine, by name."""

from azureml import _cairn
from azureml._missing import Named, module_getattr
from azureml.exceptions import ComputeTargetException


class ComputeTarget(Named):
    _type = None

    def __init__(self, workspace, name):
        if name == "local":
            row = {"name": name, "type": "local"}
        else:
            row = _cairn.az("ml", "compute", "show", "-n", name, missing=None)
        if row is None:
            raise ComputeTargetException("ComputeTargetNotFound: Compute Target with name %s not found in provided workspace" % name)
        self.workspace, self._row = workspace, row

    @classmethod
    def _of(cls, workspace, row):
        c = cls.__new__(cls)
        c.workspace, c._row = workspace, row
        return c

    name = property(lambda self: self._row["name"])
    type = property(lambda self: {"amlcompute": "AmlCompute", "computeinstance": "ComputeInstance"}.get(self._row.get("type"), self._row.get("type")))
    vm_size = property(lambda self: self._row.get("size"))
    provisioning_state = property(lambda self: self._row.get("provisioning_state", "Succeeded"))

    def __repr__(self):
        return "%s(name=%s)" % (type(self).__name__, self.name)

    @staticmethod
    def create(workspace, name, provisioning_configuration):
        c = provisioning_configuration
        line = ["ml", "compute", "create", "-n", name, "--type", c.kind, "--size", c.vm_size or "STANDARD_DS3_V2"]
        if c.kind == "amlcompute":
            line += ["--min-instances", c.min_nodes, "--max-instances", c.max_nodes, "--idle-time-before-scale-down", int(c.idle)]
        made = {"amlcompute": AmlCompute, "computeinstance": ComputeInstance}[c.kind]
        return made._of(workspace, _cairn.az(*line))

    @staticmethod
    def attach(*args, **kwargs):
        raise ComputeTargetException("ComputeTarget.attach is not there: jobs run on this machine")

    @staticmethod
    def list(workspace):
        kinds = {"amlcompute": AmlCompute, "computeinstance": ComputeInstance}
        return [kinds.get(r.get("type"), ComputeTarget)._of(workspace, r) for r in _cairn.az("ml", "compute", "list") or []]

    def wait_for_completion(self, show_output=False, min_node_count=None, timeout_in_minutes=25, is_delete_operation=False, **kwargs):
        if show_output:
            print("Succeeded")

    wait_for_provisioning = wait_for_completion

    def get_status(self):
        return Status(self._row)

    def refresh_state(self):
        self._row = _cairn.az("ml", "compute", "show", "-n", self.name)

    def serialize(self):
        return dict(self._row)

    def delete(self):
        _cairn.az("ml", "compute", "delete", "-n", self.name, "--yes")

    def start(self, wait_for_completion=False, show_output=False):
        _cairn.az("ml", "compute", "start", "-n", self.name)

    def stop(self, wait_for_completion=False, show_output=False):
        _cairn.az("ml", "compute", "stop", "-n", self.name)

    def restart(self, wait_for_completion=False, show_output=False):
        _cairn.az("ml", "compute", "restart", "-n", self.name)


class Status(Named):
    def __init__(self, row):
        self.state, self.provisioning_state = row.get("state", "Running"), row.get("provisioning_state", "Succeeded")
        self.allocation_state, self.vm_size = "Steady", row.get("size")

    def serialize(self):
        return dict(self.__dict__)


class Provisioning(Named):
    def __init__(self, kind, vm_size, min_nodes=0, max_nodes=4, idle=1800):
        self.kind, self.vm_size, self.min_nodes, self.max_nodes, self.idle = kind, vm_size, min_nodes, max_nodes, idle


class AmlCompute(ComputeTarget):
    @staticmethod
    def provisioning_configuration(vm_size="", vm_priority="dedicated", min_nodes=0, max_nodes=None, idle_seconds_before_scaledown=1800, **kwargs):
        return Provisioning("amlcompute", vm_size, min_nodes, max_nodes or 4, idle_seconds_before_scaledown)


class ComputeInstance(ComputeTarget):
    @staticmethod
    def provisioning_configuration(vm_size="", ssh_public_access=False, **kwargs):
        return Provisioning("computeinstance", vm_size)


__getattr__ = module_getattr(__name__)
