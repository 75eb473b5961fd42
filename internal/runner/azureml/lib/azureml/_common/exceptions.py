"""Where some scripts import it from."""

from azureml.exceptions import AzureMLException  # noqa: F401
