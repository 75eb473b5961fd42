"""A path of a datastore."""

from azureml._missing import Named


class DataPath(Named):
    def __init__(self, datastore=None, path_on_datastore=None, name=None):
        self._datastore, self.path_on_datastore, self.datastore_name = datastore, path_on_datastore or "", getattr(datastore, "name", None)


class DataPathComputeBinding(Named):
    def __init__(self, mode="mount", path_on_compute=None, overwrite=False):
        self.mode, self.path_on_compute = mode, path_on_compute
