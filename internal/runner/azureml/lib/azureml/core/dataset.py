"""Data sets: versions of data in Cairn, or files that become one."""

import os

from azureml import _cairn
from azureml._missing import Named, module_getattr
from azureml.exceptions import DatasetValidationError, UserErrorException

from ._gather import fetch, files_of, gather, kept_folder, sources_of


READING = ("azureml.dataset", "azureml.separator", "azureml.encoding", "azureml.header", "azureml.format")


class AbstractDataset(Named):
    def __init__(self, row=None, local=None, sources=None):
        self._row, self._local, self._sources = row, local, sources or []
        self._fetched = None

    name = property(lambda self: self._row and self._row["name"])
    version = property(lambda self: self._row and _number(self._row["version"]))
    id = property(lambda self: self._row and self._row["id"])
    description = property(lambda self: self._row and self._row.get("description"))
    tags = property(lambda self: {k: v for k, v in (self._row.get("tags") or {}).items() if k not in READING} if self._row else {})

    def __repr__(self):
        return "%s(name=%r, version=%r)" % (type(self).__name__, self.name, self.version)

    def _root(self):
        """The folder or file with its bytes."""
        if self._local:
            return self._local
        if self._fetched is None:
            d = kept_folder()
            self._fetched = fetch(self._row["name"], self._row["version"], d) if self._row else gather(self._sources, d)
        return self._fetched

    _about = None  # what is kept with it beside its bytes

    def register(self, workspace, name, description=None, tags=None, create_new_version=False):
        old = _cairn.az("ml", "data", "show", "-n", name, "-l", "latest", missing=None)
        if old and not create_new_version:
            raise UserErrorException('there is already a dataset registered under name "%s": specify create_new_version=True to register it as a new version' % name)
        root = self._root()
        kind = "uri_file" if os.path.isfile(root) else "uri_folder"
        # Data keep no properties: how a table is read is kept as tags that scripts do not see.
        self._row = _cairn.register("data", name, os.path.abspath(root), kind, dict(tags or {}, **(self._about or {})), description)
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
        return files_of(self._root())

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

        d, root = kept_folder(), self._root()
        for f in files:
            to = os.path.join(d, *f.split("/"))
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(root if os.path.isfile(root) else os.path.join(root, *f.split("/")), to)
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
    @property
    def _about(self):
        """How it is read, which is kept with it: a version is one of files otherwise."""
        return dict({"azureml.dataset": "tabular"}, **self.__dict__.get("_reading", {}))

    def _how(self):
        kept = (self._row or {}).get("tags") or {}
        mine = {k: kept[k] for k in READING if k in kept}
        mine.update(self.__dict__.get("_reading", {}))
        return mine

    def to_pandas_dataframe(self, on_error="null", out_of_range_datetime="null"):
        try:
            import pandas
        except ImportError:
            raise UserErrorException("to_pandas_dataframe needs pandas: pip install pandas")
        how, root = self._how(), self._root()
        files = [root] if os.path.isfile(root) else [os.path.join(root, *f.split("/")) for f in files_of(root)]

        def read(f):
            kind = how.get("azureml.format") or {".parquet": "parquet", ".json": "lines", ".jsonl": "lines"}.get(os.path.splitext(f)[1].lower())
            if kind == "parquet":
                return pandas.read_parquet(f)
            if kind == "lines":
                return pandas.read_json(f, lines=True)
            return pandas.read_csv(f, sep=how.get("azureml.separator", ","), encoding=how.get("azureml.encoding", "utf8"),
                                   header=None if how.get("azureml.header") == "no" else 0)

        frames = [read(f) for f in files]
        if not frames:
            raise DatasetValidationError("the dataset has no files")
        return pandas.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]

    def take(self, count):
        raise UserErrorException("TabularDataset.take is not there: to_pandas_dataframe().head(COUNT) does it")

    def to_csv_files(self, separator=","):
        if self._how().get("azureml.separator", ",") != separator or self._how().get("azureml.format", "delimited") != "delimited":
            raise UserErrorException("TabularDataset.to_csv_files writes nothing anew here: to_pandas_dataframe().to_csv(FILE) does it")
        return FileDataset(local=self._root())


class DatasetConsumptionConfig(Named):
    def __init__(self, name, dataset, mode="direct", path_on_compute=None):
        self.name, self.dataset, self.mode, self.path_on_compute = name, dataset, mode, path_on_compute

    def as_download(self, path_on_compute=None):
        return DatasetConsumptionConfig(self.name, self.dataset, "download", path_on_compute)

    def as_mount(self, path_on_compute=None):
        return DatasetConsumptionConfig(self.name, self.dataset, "mount", path_on_compute)


class OutputFileDatasetConfig(Named):
    """An output of a job, among the arguments of its script."""

    def __init__(self, name=None, destination=None, source=None, partition_format=None):
        if source is not None or partition_format is not None:
            raise UserErrorException("OutputFileDatasetConfig: source and partition_format are not taken here: write into the folder that the argument names")
        self.name, self.destination = name or "output", destination
        self._register = None

    def register_on_complete(self, name, description=None, tags=None):
        self._register = name
        return self

    def as_upload(self, overwrite=False, source_globs=None):
        return self

    def as_mount(self, disable_metadata_cache=False):
        return self

    def _output(self):
        out = {"type": "uri_folder"}
        if self._register:
            out["name"] = self._register
        return out


class FileDatasetFactory(Named):
    @staticmethod
    def from_files(path, validate=True, partition_format=None, is_file=False):
        if partition_format is not None:
            raise UserErrorException("from_files: partition_format is not taken here")
        return FileDataset(sources=sources_of(path))

    @staticmethod
    def upload_directory(src_dir, target, pattern=None, overwrite=False, show_progress=True):
        import fnmatch
        import shutil
        import tempfile

        from .datastore import Datastore

        if not os.path.isdir(src_dir):
            raise UserErrorException("upload_directory: there is no folder %s" % src_dir)
        # A datastore alone is its root.
        source = sources_of((target, "") if hasattr(target, "datastore_type") else target)
        if len(source) != 1 or source[0][0] != "store":
            raise UserErrorException("upload_directory: target is a DataPath or (datastore, 'path')")
        remote = source[0][1:]
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
        return FileDataset(sources=source)


class TabularDatasetFactory(Named):
    @staticmethod
    def from_delimited_files(path, validate=True, include_path=False, infer_column_types=True, set_column_types=None, separator=",", header=True,
                             partition_format=None, support_multi_line=False, empty_as_string=False, encoding="utf8"):
        for name, given in (("include_path", include_path), ("set_column_types", set_column_types), ("partition_format", partition_format), ("empty_as_string", empty_as_string)):
            if given:
                raise UserErrorException("from_delimited_files: %s is not taken here: pandas does it, over to_pandas_dataframe()" % name)
        out = TabularDataset(sources=sources_of(path))
        out._reading = {"azureml.separator": separator, "azureml.encoding": encoding}
        # PromoteHeadersBehavior and truth values: False and NO_HEADERS (0) mean none.
        if not header:
            out._reading["azureml.header"] = "no"
        return out

    @staticmethod
    def _whole(path, kind, options):
        for name, given in sorted(options.items()):
            if given and name not in ("validate", "encoding"):
                raise UserErrorException("Dataset.Tabular: %s is not taken here: pandas does it, over to_pandas_dataframe()" % name)
        out = TabularDataset(sources=sources_of(path))
        out._reading = {"azureml.format": kind}
        return out

    @staticmethod
    def from_parquet_files(path, **options):
        return TabularDatasetFactory._whole(path, "parquet", options)

    @staticmethod
    def from_json_lines_files(path, **options):
        return TabularDatasetFactory._whole(path, "lines", options)

    @staticmethod
    def from_sql_query(*args, **kwargs):
        raise UserErrorException("Dataset.Tabular.from_sql_query is not there: read the rows with pandas.read_sql, and register_pandas_dataframe keeps them")

    @staticmethod
    def register_pandas_dataframe(dataframe, target, name, description=None, tags=None, show_progress=True, **kwargs):
        import tempfile

        from .workspace import Workspace

        with tempfile.TemporaryDirectory() as d:
            f = os.path.join(d, "data.csv")
            dataframe.to_csv(f, index=False)
            return TabularDatasetFactory.from_delimited_files(f).register(Workspace(), name, description, tags, create_new_version=True)


class Dataset(Named):
    File = FileDatasetFactory
    Tabular = TabularDatasetFactory

    @staticmethod
    def get_by_name(workspace, name, version="latest"):
        if "/data/" in name:
            return Dataset.get_by_id(workspace, name)
        pick = ["-l", "latest"] if version in ("latest", None) else ["-v", str(version)]
        row = _cairn.az("ml", "data", "show", "-n", name, *pick, missing=None)
        if row is None:
            raise UserErrorException('Cannot load any Dataset with name "%s"%s' % (name, "" if version in ("latest", None) else ", version %s" % version))
        return _of(row)

    @staticmethod
    def get_by_id(workspace, id, **kwargs):
        from .model import long_id

        if "/data/" in id:
            return Dataset.get_by_name(workspace, *long_id(id, "data"))
        name, colon, version = (id[len("azureml:"):] if id.startswith("azureml:") else id).partition(":")
        if not colon:
            raise UserErrorException("no dataset has the id %s: it is that of Dataset.id, or NAME:VERSION" % id)
        return Dataset.get_by_name(workspace, name, version)

    @staticmethod
    def get_all(workspace):
        rows = _cairn.az("ml", "data", "list") or []
        return {row["name"]: (_LazyTable if (row.get("tags") or {}).get("azureml.dataset") == "tabular" else _LazyFiles)(row["name"]) for row in rows}


class _Lazy(object):
    """A data set of a listing: asked for when something of it is needed."""

    def __init__(self, name):
        self._asked, self._local, self._fetched, self._sources = name, None, None, []

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


class _LazyFiles(_Lazy, FileDataset):
    pass


class _LazyTable(_Lazy, TabularDataset):
    pass


def _of(row):
    if row.get("type") == "mltable":
        raise UserErrorException("dataset %s is a table of the second SDK: mltable.load reads it, az ml data download fetches it" % row["name"])
    return TabularDataset(row=row) if (row.get("tags") or {}).get("azureml.dataset") == "tabular" else FileDataset(row=row)


__getattr__ = module_getattr(__name__)
