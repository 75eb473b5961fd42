"""The exceptions of the SDK."""

from azureml._missing import module_getattr


class AzureMLException(Exception):
    """What all of them are."""

    def __init__(self, exception_message="", inner_exception=None, **kwargs):
        super(AzureMLException, self).__init__(exception_message)
        self.message = exception_message
        self.inner_exception = inner_exception


class UserErrorException(AzureMLException):
    pass


class AuthenticationException(UserErrorException):
    pass


class ProjectSystemException(UserErrorException):
    pass


class DatasetValidationError(UserErrorException):
    pass


class DatasetExecutionError(UserErrorException):
    pass


class ServiceException(AzureMLException):
    pass


class WebserviceException(AzureMLException):
    pass


class ModelNotFoundException(AzureMLException):
    pass


class ModelPathNotFoundException(AzureMLException):
    pass


class ComputeTargetException(AzureMLException):
    pass


class ExperimentExecutionException(AzureMLException):
    pass


class ExperimentNotFoundException(AzureMLException):
    pass


class ActivityFailedException(AzureMLException):
    pass


class RunEnvironmentException(AzureMLException):
    pass


class SnapshotException(AzureMLException):
    pass


class TrainingException(AzureMLException):
    pass


class UnexpectedError(AzureMLException):
    pass


__getattr__ = module_getattr(__name__)
