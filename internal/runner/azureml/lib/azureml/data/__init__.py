"""Data sets."""

from azureml.core.dataset import FileDataset, TabularDataset, OutputFileDatasetConfig  # noqa: F401
