"""What a model would like to have of a machine: kept, this one serves it."""

from azureml._missing import Named


class ResourceConfiguration(Named):
    def __init__(self, cpu=None, memory_in_gb=None, gpu=None):
        self.cpu, self.memory_in_gb, self.gpu = cpu, memory_in_gb, gpu
