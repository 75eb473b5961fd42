"""Where some scripts import it from."""

from azureml.exceptions import ComputeTargetException  # noqa: F401

from .compute import AmlCompute, ComputeTarget  # noqa: F401
