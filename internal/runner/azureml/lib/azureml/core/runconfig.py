"""Settings of runs."""

from azureml._missing import Named, module_getattr

from .environment import Environment


class RunConfiguration(Named):
    def __init__(self, script=None, arguments=None, framework=None, communicator=None, conda_dependencies=None, _history_enabled=None, _path=None, _name=None):
        self.environment, self.target, self.script, self.arguments = Environment("run"), "local", script, arguments or []
        if conda_dependencies is not None:
            self.environment.python.conda_dependencies = conda_dependencies


class DockerConfiguration(Named):
    def __init__(self, use_docker=False, shared_volumes=None, arguments=None, shm_size=None):
        self.use_docker = use_docker


class MpiConfiguration(Named):
    def __init__(self, process_count_per_node=1, node_count=1):
        self.process_count_per_node, self.node_count = process_count_per_node, node_count


DEFAULT_CPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest"
DEFAULT_GPU_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-cuda11.1-cudnn8-ubuntu20.04:latest"


__getattr__ = module_getattr(__name__)
