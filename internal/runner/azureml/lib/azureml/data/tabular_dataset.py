"""Where some scripts import it from."""

from azureml.core.dataset import TabularDataset  # noqa: F401
