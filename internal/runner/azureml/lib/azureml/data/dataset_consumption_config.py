"""Where some scripts import it from."""

from azureml.core.dataset import DatasetConsumptionConfig  # noqa: F401
