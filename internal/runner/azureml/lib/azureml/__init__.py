"""The part of the first SDK of Azure Machine Learning that scripts use, over Cairn.

Its service has been retired. Scripts that import azureml.core run as they are: data,
models and runs are those of this Cairn. Only the standard library is used.
"""

import os as _os
import sys as _sys

from . import _missing

_missing.install()
# azureml-mlflow is a package of its own that lies below the same name.
for _p in _sys.path:
    if _os.path.isdir(_os.path.join(_p, "azureml", "mlflow")) and not _os.path.isdir(_os.path.join(_p, "azureml", "core")):
        __path__.append(_os.path.join(_p, "azureml"))
__version__ = "1.60.0"
__getattr__ = _missing.module_getattr(__name__)
