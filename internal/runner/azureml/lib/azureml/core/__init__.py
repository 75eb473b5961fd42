"""The names that scripts import."""

from .authentication import AuthenticationType  # noqa: F401
from .compute import ComputeTarget  # noqa: F401
from .datastore import Datastore  # noqa: F401
from .dataset import Dataset  # noqa: F401
from .environment import Environment  # noqa: F401
from .experiment import Experiment  # noqa: F401
from .image import ContainerImage, Image  # noqa: F401
from .model import Model  # noqa: F401
from .run import Run, get_run  # noqa: F401
from .runconfig import RunConfiguration  # noqa: F401
from .script_run_config import ScriptRunConfig  # noqa: F401
from .webservice import Webservice  # noqa: F401
from .workspace import Workspace  # noqa: F401

from azureml import __version__ as VERSION  # noqa: F401

from azureml._missing import module_getattr as _module_getattr

__getattr__ = _module_getattr(__name__)
