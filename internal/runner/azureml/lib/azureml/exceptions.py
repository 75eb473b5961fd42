"""The exceptions of the SDK."""


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


class ServiceException(AzureMLException):
    pass


class WebserviceException(AzureMLException):
    pass


class ModelNotFoundException(AzureMLException):
    pass


class ComputeTargetException(AzureMLException):
    pass


class ProjectSystemException(UserErrorException):
    pass


class ExperimentExecutionException(AzureMLException):
    pass


class ActivityFailedException(AzureMLException):
    pass


class RunEnvironmentException(AzureMLException):
    pass


class DatasetValidationError(UserErrorException):
    pass
