"""Data sets."""

from azureml._missing import module_getattr
from azureml.core.dataset import FileDataset, TabularDataset, OutputFileDatasetConfig  # noqa: F401


__getattr__ = module_getattr(__name__)
