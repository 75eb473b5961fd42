"""Where some scripts import it from."""

from azureml.core.dataset import OutputFileDatasetConfig  # noqa: F401
