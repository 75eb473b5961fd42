"""The workspace, by the values of the environment or of a .env file."""

import json
import os

from azureml.core import Workspace
from azureml.core.authentication import ServicePrincipalAuthentication


def connect():
    if os.path.exists(".env"):
        with open(".env") as f:
            for line in f:
                key, _, value = line.strip().partition("=")
                if key and not key.startswith("#"):
                    os.environ.setdefault(key, value)
    credentials = json.loads(os.environ.get("AZURE_CREDENTIALS") or "{}")
    auth = ServicePrincipalAuthentication(
        tenant_id=credentials.get("tenantId") or os.environ.get("TENANT_ID"),
        service_principal_id=credentials.get("clientId") or os.environ.get("CLIENT_ID"),
        service_principal_password=credentials.get("clientSecret") or os.environ.get("CLIENT_SECRET"),
    )
    return Workspace.get(
        name=os.environ["WORKSPACE_NAME"],
        auth=auth,
        subscription_id=credentials.get("subscriptionId") or os.environ.get("SUBSCRIPTION_ID"),
        resource_group=os.environ["RESOURCE_GROUP"],
    )


SHA = os.environ.get("GITHUB_SHA", "by hand")
EXPERIMENT, MODEL = "shapes", "shapes-cnn"
