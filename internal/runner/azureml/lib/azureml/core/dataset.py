"""Data sets: versions of data in Cairn, or files that become one."""

import os

from azureml import _cairn
from azureml._missing import Named
from azureml.exceptions import DatasetValidationError, UserErrorException


def fetch(name, version, folder):
    """Downloads a version of data below a folder; returns where it lies."""
    _cairn.az("ml", "data", "download", "-n", name, "-v", version, "--download-path", folder)
    return os.path.join(folder, name)


class AbstractDataset(Named):
    def __init__(self, row=None, local=None, remote=None):
        self._row, self._local, self._remote = row, local, remote
        self._fetched = None

    name = property(lambda self: self._row and self._row["name"])
    version = property(lambda self: self._row and _number(self._row["version"]))
    id = property(lambda self: self._row and self._row["id"])
    description = property(lambda self: self._row and self._row.get("description"))
    tags = property(lambda self: dict(self._row.get("tags") or {}) if self._row else {})

    def __repr__(self):
        return "%s(name=%r, version=%r)" % (type(self).__name__, self.name, self.version)

    def _root(self):
        """The folder or file with its bytes."""
        if self._local:
            return self._local
        if self._fetched is None:
            import atexit
            import shutil
            import tempfile

            d = tempfile.mkdtemp(prefix="azureml-data-")
            atexit.register(shutil.rmtree, d, True)
            if self._row:
                self._fetched = fetch(self._row["name"], self._row["version"], d)
            elif self._remote:
                from .datastore import find

                got = find(*self._remote)
                if got is None:
                    raise DatasetValidationError("nothing was uploaded to %s of datastore %s" % (self._remote[1], self._remote[0]))
                root = fetch(got[0]["name"], got[0]["version"], d)
                self._fetched = os.path.join(root, got[1]) if got[1] else root
                if not os.path.exists(self._fetched):
                    raise DatasetValidationError("datastore %s has nothing at %s" % self._remote)
        return self._fetched

    def register(self, workspace, name, description=None, tags=None, create_new_version=False):
        old = _cairn.az("ml", "data", "show", "-n", name, "-l", "latest", missing=None)
        if old and not create_new_version:
            raise UserErrorException('there is already a dataset registered under name "%s": specify create_new_version=True to register it as a new version' % name)
        root = self._root()
        line = ["ml", "data", "create", "-n", name, "--path", os.path.abspath(root), "--type", "uri_file" if os.path.isfile(root) else "uri_folder"]
        if description:
            line += ["--description", description]
        self._row = _cairn.az(*(line + _cairn.tags(tags)))
        return self

    def unregister_all_versions(self):
        if self._row:
            _cairn.az("ml", "data", "archive", "-n", self.name)

    def add_tags(self, tags=None):
        for k, v in (tags or {}).items():
            self._row = _cairn.az("ml", "data", "update", "-n", self.name, "-v", self._row["version"], "--set", "tags.%s=%s" % (k, v))
        return self

    def as_named_input(self, name):
        return DatasetConsumptionConfig(name, self)

    @property
    def workspace(self):
        from .workspace import Workspace

        return Workspace()


def _number(v):
    try:
        return int(v)
    except ValueError:
        return v


class FileDataset(AbstractDataset):
    def _files(self):
        root = self._root()
        if os.path.isfile(root):
            return [os.path.basename(root)]
        out = []
        for folder, _, files in os.walk(root):
            out += [os.path.relpath(os.path.join(folder, f), root).replace(os.sep, "/") for f in files]
        return sorted(out)

    def to_path(self):
        return ["/" + f for f in self._files()]

    def download(self, target_path=None, overwrite=False, ignore_not_found=False):
        import shutil

        root = self._root()
        if target_path is None:
            import tempfile

            target_path = tempfile.mkdtemp()
        out = []
        files = self._files()
        for f in files:
            to = os.path.join(target_path, *f.split("/"))
            if os.path.exists(to) and not overwrite:
                raise UserErrorException('"%s" already exists: give overwrite=True to write over it' % to)
            out.append(os.path.abspath(to))
        for f, to in zip(files, out):
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(root if os.path.isfile(root) else os.path.join(root, *f.split("/")), to)
        return out

    def mount(self, mount_point=None, **kwargs):
        return MountContext(self, mount_point)

    def as_download(self, path_on_compute=None):
        return DatasetConsumptionConfig(self.name or "input", self, "download", path_on_compute)

    def as_mount(self, path_on_compute=None):
        return DatasetConsumptionConfig(self.name or "input", self, "mount", path_on_compute)

    def as_cache(self, *args):
        return self.as_mount()

    def skip(self, count):
        return self._some(self._files()[count:])

    def take(self, count):
        return self._some(self._files()[:count])

    def _some(self, files):
        import shutil
        import tempfile

        d = tempfile.mkdtemp(prefix="azureml-data-")
        root = self._root()
        for f in files:
            to = os.path.join(d, *f.split("/"))
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(os.path.join(root, *f.split("/")), to)
        return FileDataset(local=d)


class MountContext(Named):
    """A copy of the files: nothing is mounted here."""

    def __init__(self, dataset, mount_point=None):
        import tempfile

        self._dataset = dataset
        self.mount_point = mount_point or tempfile.mkdtemp()

    def start(self):
        self._dataset.download(self.mount_point, overwrite=True)

    def stop(self):
        import shutil

        shutil.rmtree(self.mount_point, ignore_errors=True)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()


class TabularDataset(AbstractDataset):
    def to_pandas_dataframe(self, on_error="null", out_of_range_datetime="null"):
        try:
            import pandas
        except ImportError:
            raise UserErrorException("to_pandas_dataframe needs pandas: pip install pandas")
        root = self._root()
        files = [root] if os.path.isfile(root) else sorted(os.path.join(d, f) for d, _, fs in os.walk(root) for f in fs)
        read = {".parquet": pandas.read_parquet, ".json": lambda f: pandas.read_json(f, lines=True), ".jsonl": lambda f: pandas.read_json(f, lines=True)}
        frames = []
        for f in files:
            one = read.get(os.path.splitext(f)[1].lower())
            frames.append(one(f) if one else pandas.read_csv(f, sep=self.__dict__.get("_separator", ",")))
        return pandas.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]

    def take(self, count):
        raise UserErrorException("TabularDataset.take is not there: to_pandas_dataframe().head(%s)" % count)

    def to_csv_files(self, separator=","):
        return FileDataset(local=self._root())


class DatasetConsumptionConfig(Named):
    def __init__(self, name, dataset, mode="direct", path_on_compute=None):
        self.name, self.dataset, self.mode, self.path_on_compute = name, dataset, mode, path_on_compute

    def as_download(self, path_on_compute=None):
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    def as_mount(self, path_on_compute=None):
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)


class OutputFileDatasetConfig(Named):
    def __init__(self, name=None, destination=None, source=None, partition_format=None):
        self.name = name or "output"
        self._register = None

    def register_on_complete(self, name, description=None, tags=None):
        self._register = name
        return self

    def as_upload(self, *args, **kwargs):
        return self

    def as_mount(self, *args, **kwargs):
        return self


def _sources(path):
    """A local path, or (datastore, path), of what from_files takes."""
    if isinstance(path, (list, tuple)) and len(path) == 2 and hasattr(path[0], "datastore_type"):
        return None, (path[0].name, path[1])
    if hasattr(path, "path_on_datastore"):
        return None, (path.datastore_name or "workspaceblobstore", path.path_on_datastore)
    if isinstance(path, (list, tuple)):
        if len(path) != 1:
            raise UserErrorException("several paths are not taken here: put the files into one folder")
        return _sources(path[0])
    path = str(path)
    if "://" in path:
        return path, None
    if not os.path.exists(path):
        raise DatasetValidationError("there is no file or folder %s" % path)
    return os.path.abspath(path), None


def _fetch_url(url):
    import atexit
    import shutil
    import tempfile
    import urllib.request

    d = tempfile.mkdtemp(prefix="azureml-data-")
    atexit.register(shutil.rmtree, d, True)
    to = os.path.join(d, os.path.basename(url.split("?")[0]) or "data")
    urllib.request.urlretrieve(url, to)
    return to


class FileDatasetFactory(Named):
    @staticmethod
    def from_files(path, validate=True, partition_format=None, is_file=False):
        local, remote = _sources(path)
        if local and "://" in local:
            local = _fetch_url(local)
        return FileDataset(local=local, remote=remote)

    @staticmethod
    def upload_directory(src_dir, target, pattern=None, overwrite=False, show_progress=True):
        import fnmatch
        import shutil
        import tempfile

        from .datastore import Datastore

        _, remote = _sources(target)
        if not os.path.isdir(src_dir):
            raise UserErrorException("upload_directory: there is no folder %s" % src_dir)
        if remote is None:
            raise UserErrorException("upload_directory: target is a DataPath or (datastore, 'path')")
        store = Datastore(None, remote[0])
        if pattern is None:
            store.upload(src_dir, remote[1], overwrite, show_progress)
        else:
            with tempfile.TemporaryDirectory() as d:
                for folder, _, files in os.walk(src_dir):
                    for f in fnmatch.filter(files, pattern):
                        to = os.path.join(d, os.path.relpath(os.path.join(folder, f), src_dir))
                        os.makedirs(os.path.dirname(to), exist_ok=True)
                        shutil.copyfile(os.path.join(folder, f), to)
                store.upload(d, remote[1], overwrite, show_progress)
        return FileDataset(remote=remote)


class TabularDatasetFactory(Named):
    @staticmethod
    def from_delimited_files(path, validate=True, include_path=False, infer_column_types=True, set_column_types=None, separator=",", header=True, **kwargs):
        local, remote = _sources(path)
        out = TabularDataset(local=_fetch_url(local) if local and "://" in local else local, remote=remote)
        out._separator = separator
        return out

    from_parquet_files = from_json_lines_files = staticmethod(lambda path, **kwargs: TabularDatasetFactory.from_delimited_files(path))

    @staticmethod
    def register_pandas_dataframe(dataframe, target, name, description=None, tags=None, show_progress=True, **kwargs):
        import tempfile

        from .workspace import Workspace

        with tempfile.TemporaryDirectory() as d:
            f = os.path.join(d, "data.csv")
            dataframe.to_csv(f, index=False)
            return TabularDataset(local=f).register(Workspace(), name, description, tags, create_new_version=True)


class Dataset(Named):
    File = FileDatasetFactory
    Tabular = TabularDatasetFactory

    @staticmethod
    def get_by_name(workspace, name, version="latest"):
        pick = ["-l", "latest"] if version in ("latest", None) else ["-v", str(version)]
        row = _cairn.az("ml", "data", "show", "-n", name, *pick, missing=None)
        if row is None:
            raise UserErrorException('Cannot load any Dataset with name "%s"%s' % (name, "" if version in ("latest", None) else ", version %s" % version))
        return _of(row)

    @staticmethod
    def get_by_id(workspace, id, **kwargs):
        parts = id.strip("/").split("/")
        if "versions" in parts and "data" in parts:
            return Dataset.get_by_name(workspace, parts[parts.index("data") + 1], parts[parts.index("versions") + 1])
        raise UserErrorException("no dataset has the id %s" % id)

    @staticmethod
    def get_all(workspace):
        return {row["name"]: _Lazy(row["name"]) for row in _cairn.az("ml", "data", "list") or []}


class _Lazy(FileDataset):
    """A data set of a listing: asked for when something of it is needed."""

    def __init__(self, name):
        object.__setattr__(self, "_asked", name)
        self._local = self._remote = self._fetched = None

    @property
    def _row(self):
        row = self.__dict__.get("_got")
        if row is None:
            row = _cairn.az("ml", "data", "show", "-n", self._asked, "-l", "latest")
            self.__dict__["_got"] = row
        return row

    @_row.setter
    def _row(self, row):
        self.__dict__["_got"] = row


def _of(row):
    return TabularDataset(row=row) if row.get("type") == "mltable" else FileDataset(row=row)
