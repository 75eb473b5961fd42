"""Tables that an MLTable file describes, read on this machine.

Stands in for the package of the same name where that is not installed: it needs
nothing but the standard library until a pandas DataFrame is asked for (or Parquet is
read). What it does not do raises NotImplementedError and says so.
"""
import copy
import csv
import datetime
import glob
import io
import json
import os
import random
import re
import shutil
import subprocess
from enum import Enum

from ._filter import compile_filter
from ._partition import compile_partition

__all__ = [
    "DataType", "MLTable", "MLTableHeaders", "from_delimited_files", "from_json_lines_files",
    "from_parquet_files", "from_paths", "from_delta_lake", "load",
]


class MLTableHeaders(Enum):
    no_header = "no_header"
    from_first_file = "from_first_file"
    all_files_different_headers = "all_files_different_headers"
    all_files_same_headers = "all_files_same_headers"


class DataType:
    """A type for convert_column_types."""

    def __init__(self, spec):
        self.spec = spec

    @staticmethod
    def to_string():
        return DataType("string")

    @staticmethod
    def to_int():
        return DataType("int")

    @staticmethod
    def to_float():
        return DataType("float")

    @staticmethod
    def to_bool(true_values=None, false_values=None, mismatch_as=None):
        return DataType({"boolean": {"true_values": true_values, "false_values": false_values, "mismatch_as": mismatch_as}})

    @staticmethod
    def to_datetime(formats=None, date_constant=None):
        return DataType({"datetime": {"formats": [formats] if isinstance(formats, str) else formats}})


READERS = ("read_delimited", "read_json_lines", "read_parquet")
PATH_COLUMN = "Path"


class MLTable:
    """Paths and what is done with the rows in them. Each change gives a new table."""

    def __init__(self, paths, transformations=(), base=".", metadata=None):
        self._paths = list(paths)
        self._steps = list(transformations)
        self._base = base
        self._metadata = dict(metadata or {})

    @property
    def paths(self):
        return copy.deepcopy(self._paths)

    def __repr__(self):
        return json.dumps({"type": "mltable", "paths": self._paths, "transformations": self._steps}, indent=2, default=str)

    def _with(self, step):
        return MLTable(self._paths, [*self._steps, step], self._base, self._metadata)

    def keep_columns(self, columns):
        return self._with({"keep_columns": columns})

    def drop_columns(self, columns):
        return self._with({"drop_columns": columns})

    def filter(self, expression):
        return self._with({"filter": expression})

    def skip(self, count):
        return self._with({"skip": count})

    def take(self, count=20):
        return self._with({"take": count})

    def take_random_sample(self, probability, seed=None):
        return self._with({"take_random_sample": {"probability": probability, "seed": seed}})

    def convert_column_types(self, column_types):
        return self._with({"convert_column_types": [{"columns": k, "column_type": v} for k, v in column_types.items()]})

    def extract_columns_from_partition_format(self, partition_format):
        return self._with({"extract_columns_from_partition_format": partition_format})

    def random_split(self, percent=0.5, seed=None):
        """Two tables that share no row; the same seed gives the same two."""
        seed = random.randrange(2**32) if seed is None else seed
        return tuple(self._with({"_split": {"percent": percent, "seed": seed, "second": s}}) for s in (False, True))

    def validate(self):
        for _ in self.rows(limit=1):
            break

    def show(self, count=20):
        return self.take(count).to_pandas_dataframe()

    def save(self, path=None, overwrite=True):
        """Writes the description, with absolute paths of this machine, as an MLTable file."""
        target = path or self._base
        os.makedirs(target, exist_ok=True)
        name = os.path.join(target, "MLTable")
        if os.path.exists(name) and not overwrite:
            raise FileExistsError(name)
        paths = [{kind: self._absolute(value) for kind, value in entry.items()} for entry in self._paths]
        with open(name, "w", encoding="utf-8") as file:  # JSON is YAML
            json.dump({"type": "mltable", "paths": paths, "transformations": _plain(self._steps)}, file, indent=2)
        return self

    def to_pandas_dataframe(self):
        import pandas

        rows = list(self.rows())
        columns = self._columns(rows)
        return pandas.DataFrame([[row.get(c) for c in columns] for row in rows], columns=columns)

    @staticmethod
    def _columns(rows):
        seen = {}
        for row in rows:
            for column in row:
                seen.setdefault(column)
        return list(seen)

    def _absolute(self, path):
        path = path[len("file://"):] if path.startswith("file://") else path
        if re.match(r"^[a-z][a-z0-9+.-]+://", path):
            raise NotImplementedError(f"{path}: a table reads files of this machine; bring them in as an input of the job")
        return os.path.normpath(os.path.join(self._base, path))

    def files(self):
        """The files that the paths lead to, in order."""
        out = []
        for entry in self._paths:
            (kind, value), = entry.items()
            full = self._absolute(str(value))
            if kind == "file":
                found = [full]
            elif kind == "folder":
                found = [os.path.join(d, f) for d, _, names in os.walk(full) for f in names]
            elif kind == "pattern":
                found = [f for f in glob.glob(full, recursive=True) if os.path.isfile(f)]
            else:
                raise ValueError(f"paths: {kind!r} is not one of file, folder, pattern")
            if not found or kind == "file" and not os.path.isfile(full):
                raise FileNotFoundError(f"paths: {kind} {value} leads to no file")
            out += sorted(found)
        return out

    def rows(self, limit=None):
        """The rows, each a dict, one after the other."""
        reader, options = None, {}
        steps = []
        for step in self._steps:
            if isinstance(step, str):
                step = {step: {}}
            (name, value), = step.items()
            if name in READERS:
                if reader:
                    raise ValueError(f"{name}: the rows are read by {reader} already")
                reader, options = name, value or {}
            else:
                steps.append((name, value))
        partition = next((compile_partition(v) for n, v in steps if n == "extract_columns_from_partition_format"), None)
        rows = self._read(reader, options, partition)
        for name, value in steps:
            rows = _apply(name, value, rows)
        for number, row in enumerate(rows):
            if limit is not None and number >= limit:
                return
            yield row

    def _read(self, reader, options, partition):
        first = None
        for path in self.files():
            extra = partition(path) if partition else {}
            if options.get("include_path_column"):
                extra = {PATH_COLUMN: path, **extra}
            if reader is None:
                yield {PATH_COLUMN: path, **extra}
                continue
            read = {"read_delimited": _delimited, "read_json_lines": _json_lines, "read_parquet": _parquet}[reader]
            if reader == "read_delimited":
                rows, first = read(path, options, first)
            else:
                rows = read(path, options)
            for row in rows:
                yield {**extra, **row}


def _delimited(path, options, first):
    encoding = {"utf8": "utf-8", "latin1": "latin-1", "iso88591": "latin-1", "windows1252": "cp1252"}.get(
        options.get("encoding", "utf8"), options.get("encoding", "utf8"))
    with open(path, newline="", encoding="utf-8-sig" if encoding == "utf-8" else encoding) as file:
        text = file.read()
    if not options.get("support_multi_line", False):
        # A quote cannot hide the end of a line.
        lines = text.splitlines()
        records = [next(csv.reader([line], delimiter=_delimiter(options)), []) for line in lines]
    else:
        records = list(csv.reader(io.StringIO(text), delimiter=_delimiter(options)))
    records = [r for r in records if r]
    header = options.get("header", "all_files_same_headers")
    header = getattr(header, "value", header)
    if header is False:
        header = "no_header"
    if header == "no_header":
        width = max((len(r) for r in records), default=0)
        names = [f"Column{i + 1}" for i in range(width)]
    elif header == "from_first_file" and first is not None:
        names = first
    else:
        names, records = (records[0], records[1:]) if records else ([], [])
        first = first or names
        if header == "all_files_same_headers":
            names = first
    infer = options.get("infer_column_types", True)
    empty = "" if options.get("empty_as_string", False) else None
    columns = []
    for i in range(len(names)):
        values = [r[i] if i < len(r) else "" for r in records]
        columns.append(_infer(values, empty) if infer else [empty if v == "" else v for v in values])
    return [dict(zip(names, row)) for row in zip(*columns)] if columns else [], first


def _delimiter(options):
    d = options.get("delimiter", ",")
    return {"\\t": "\t", "tab": "\t"}.get(d, d)


def _infer(values, empty):
    """One type for a whole column: int, float, bool, else text."""
    present = [v for v in values if v != ""]
    for convert in (_int, float, _bool):
        try:
            return [None if v == "" else convert(v) for v in values] if present else [empty] * len(values)
        except ValueError:
            continue
    return [empty if v == "" else v for v in values]


def _int(text):
    if not re.fullmatch(r"[+-]?\d{1,18}", text.strip()):
        raise ValueError(text)
    return int(text)


def _bool(text):
    try:
        return {"true": True, "false": False}[text.strip().lower()]
    except KeyError:
        raise ValueError(text) from None


def _json_lines(path, options):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("not an object")
            except ValueError as err:
                if options.get("invalid_lines", "error") == "drop":
                    continue
                raise ValueError(f"{path}:{number}: {err}") from None
            yield row


def _parquet(path, options):
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise NotImplementedError("read_parquet needs pyarrow in the environment") from None
    yield from parquet.read_table(path).to_pylist()


def _names(columns):
    return [columns] if isinstance(columns, str) else list(columns)


def _apply(name, value, rows):
    if name == "keep_columns":
        keep = _names(value)
        return ({c: r[c] for c in keep if c in r} for r in rows)
    if name == "drop_columns":
        drop = set(_names(value))
        return ({c: v for c, v in r.items() if c not in drop} for r in rows)
    if name == "filter":
        wanted = compile_filter(value)
        return (r for r in rows if wanted(r))
    if name == "skip":
        return (r for i, r in enumerate(rows) if i >= int(value))
    if name == "take":
        return (r for _, r in zip(range(int(value)), rows))
    if name == "take_random_sample":
        seed = value.get("seed")
        dice = random.Random(seed) if seed not in (None, -1) else random.Random()
        share = float(value["probability"])
        return (r for r in rows if dice.random() < share)
    if name == "_split":
        dice = random.Random(value["seed"])
        return (r for r in rows if (dice.random() >= value["percent"]) == value["second"])
    if name == "convert_column_types":
        return _convert(value, rows)
    if name == "extract_columns_from_partition_format":
        return rows  # done where the path is known
    known = "keep_columns, drop_columns, filter, skip, take, take_random_sample, convert_column_types, extract_columns_from_partition_format"
    raise NotImplementedError(f"the transformation {name} is not done here; these are: {known}, {', '.join(READERS)}")


def _convert(entries, rows):
    converters = {}
    for entry in entries if isinstance(entries, list) else [entries]:
        for column in _names(entry["columns"]):
            converters[column] = _converter(entry["column_type"])
    for row in rows:
        yield {c: converters[c](v) if c in converters and v is not None else v for c, v in row.items()}


def _converter(kind):
    kind = kind.spec if isinstance(kind, DataType) else kind
    options = {}
    if isinstance(kind, dict):
        (kind, options), = kind.items()
        options = options or {}
    if kind == "string":
        return str
    if kind == "int":
        return lambda v: int(float(v)) if isinstance(v, str) and not re.fullmatch(r"[+-]?\d+", v.strip()) else int(v)
    if kind == "float":
        return float
    if kind == "boolean":
        true, false = (_texts(options.get(k), d) for k, d in (("true_values", ["true", "1"]), ("false_values", ["false", "0"])))
        return lambda v: _boolean(v, true, false, options.get("mismatch_as"))
    if kind == "datetime":
        formats = options.get("formats")
        return lambda v: _datetime(v, [formats] if isinstance(formats, str) else formats)
    raise ValueError(f"column_type {kind!r} is not one of string, int, float, boolean, datetime")


def _texts(values, default):
    return {str(v).lower() for v in ([values] if isinstance(values, str) else values or default)}


def _boolean(value, true, false, mismatch):
    text = str(value).lower()
    if text in true or text in false:
        return text in true
    if mismatch in ("true", "false", True, False):
        return str(mismatch).lower() == "true"
    raise ValueError(f"{value!r} is neither true nor false")


def _datetime(value, formats):
    if isinstance(value, datetime.datetime):
        return value
    for pattern in formats or []:
        try:
            return datetime.datetime.strptime(str(value), pattern)
        except ValueError:
            continue
    if formats:
        raise ValueError(f"{value!r} has none of the formats {', '.join(formats)}")
    return datetime.datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _plain(value):
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, DataType):
        return _plain(value.spec)
    return getattr(value, "value", value)


def _yaml(path):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        import yaml

        return yaml.safe_load(text)
    except ImportError:
        cairn = shutil.which("cairn")
        if cairn is None:
            raise NotImplementedError("reading an MLTable file needs PyYAML in the environment") from None
        return json.loads(subprocess.run([cairn, "_yaml", path], check=True, capture_output=True, text=True).stdout)


def load(uri, storage_options=None, ml_client=None):
    """The table that the folder uri, or the MLTable file in it, describes."""
    uri = str(uri)
    if re.match(r"^(azureml|https?|wasbs?|abfss?|adl)://", uri):
        raise NotImplementedError(f"{uri}: name it as an input of the job (type: mltable); load() takes the folder that it is at then")
    name = uri if os.path.basename(uri) == "MLTable" else os.path.join(uri, "MLTable")
    described = _yaml(name)
    if not isinstance(described, dict) or not isinstance(described.get("paths"), list):
        raise ValueError(f"{name}: it has no list of paths")
    return MLTable(described["paths"], described.get("transformations") or [], os.path.dirname(os.path.abspath(name)),
                   described.get("metadata"))


def from_paths(paths):
    return MLTable(paths, (), os.getcwd())


def from_delimited_files(paths, header="all_files_same_headers", delimiter=",", support_multi_line=False, empty_as_string=False,
                         encoding="utf8", include_path_column=False, infer_column_types=True):
    return from_paths(paths)._with({"read_delimited": {
        "header": getattr(header, "value", header), "delimiter": delimiter, "support_multi_line": support_multi_line,
        "empty_as_string": empty_as_string, "encoding": encoding, "include_path_column": include_path_column,
        "infer_column_types": infer_column_types}})


def from_json_lines_files(paths, invalid_lines="error", encoding="utf8", include_path_column=False):
    return from_paths(paths)._with({"read_json_lines": {
        "invalid_lines": invalid_lines, "encoding": encoding, "include_path_column": include_path_column}})


def from_parquet_files(paths, include_path_column=False):
    return from_paths(paths)._with({"read_parquet": {"include_path_column": include_path_column}})


def from_delta_lake(delta_table_uri, *_, **__):
    raise NotImplementedError("Delta Lake is not read here; write the table as Parquet, or use the deltalake package")
