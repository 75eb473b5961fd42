"""Settings of runs."""

from azureml._missing import Named, module_getattr

from .environment import Environment


class RunConfiguration(Named):
    def __init__(self, script=None, arguments=None, framework=None, communicator=None, conda_dependencies=None, _history_enabled=None, _path=None, _name=None):
        self.environment, self.target, self.script, self.arguments = Environment("run"), "local", script, arguments or []
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies


class DockerConfiguration(Named):
    def __init__(self, use_docker=False, shared_volumes=True, arguments=None, shm_size=None):
        self.use_docker, self.shared_volumes, self.arguments, self.shm_size = use_docker, shared_volumes, arguments or [], shm_size


class MpiConfiguration(Named):
    def __init__(self, process_count_per_node=1, node_count=1):
        self.process_count_per_node, self.node_count = process_count_per_node, node_count

    def _distribution(self):
        return {"type": "mpi", "process_count_per_instance": self.process_count_per_node}, self.node_count


class PyTorchConfiguration(Named):
    def __init__(self, communication_backend="Nccl", process_count=None, node_count=1):
        self.communication_backend, self.process_count, self.node_count = communication_backend, process_count, node_count

    def _distribution(self):
        # Without a count the script starts its processes itself: one a node.
        return {"type": "pytorch", "process_count_per_instance": max(1, (self.process_count or self.node_count) // self.node_count)}, self.node_count


class TensorflowConfiguration(Named):
    def __init__(self, worker_count=1, parameter_server_count=0):
        self.worker_count, self.parameter_server_count = worker_count, parameter_server_count

    def _distribution(self):
        return {"type": "tensorflow", "worker_count": self.worker_count, "parameter_server_count": self.parameter_server_count}, self.worker_count


DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04:latest"


__getattr__ = module_getattr(__name__)
