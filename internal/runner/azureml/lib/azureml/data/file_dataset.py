"""Where some scripts import it from."""

from azureml.core.dataset import FileDataset  # noqa: F401
