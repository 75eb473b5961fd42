"""Who asks. A job's own token counts, or the user of this machine: what scripts give is
checked to be there, and not sent anywhere."""

from azureml._missing import Named, module_getattr
from azureml.exceptions import AuthenticationException


class AuthenticationType(Named):
    pass


class AbstractAuthentication(Named):
    def get_authentication_header(self):
        raise AuthenticationException("there is no service of Azure's to show a token to")

    def get_token(self, *args):
        raise AuthenticationException("there is no service of Azure's to show a token to")


class ServicePrincipalAuthentication(AbstractAuthentication):
    def __init__(self, tenant_id, service_principal_id, service_principal_password, cloud="AzureCloud", _enable_caching=True, **kwargs):
        for name, value in (("tenant_id", tenant_id), ("service_principal_id", service_principal_id), ("service_principal_password", service_principal_password)):
            if not value:
                raise AuthenticationException("ServicePrincipalAuthentication: %s is empty: is the secret or the variable set?" % name)
        self.tenant_id, self.service_principal_id = tenant_id, service_principal_id
        self.cloud = cloud


class InteractiveLoginAuthentication(AbstractAuthentication):
    def __init__(self, force=False, tenant_id=None, cloud=None):
        self.tenant_id = tenant_id


class AzureCliAuthentication(AbstractAuthentication):
    def __init__(self, cloud=None):
        pass


class MsiAuthentication(AbstractAuthentication):
    def __init__(self, identity_config=None, cloud=None):
        pass


class TokenAuthentication(AbstractAuthentication):
    def __init__(self, get_token_for_audience, cloud=None):
        pass


__getattr__ = module_getattr(__name__)
