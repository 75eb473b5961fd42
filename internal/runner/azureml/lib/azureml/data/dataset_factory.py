"""Where some scripts import it from."""

from azureml.core.dataset import FileDatasetFactory  # noqa: F401
