"""Where the bytes of a data set come from."""

import os

from azureml import _cairn
from azureml.exceptions import DatasetValidationError


def fetch(name, version, folder):
    """Downloads a version of data below a folder; returns where it lies."""
    _cairn.az("ml", "data", "download", "-n", name, "-v", version, "--download-path", folder)
    return os.path.join(folder, name)


def files_of(root):
    """The files below a folder, or the one that it is."""
    if os.path.isfile(root):
        return [os.path.basename(root)]
    out = []
    for folder, _, files in os.walk(root):
        out += [os.path.relpath(os.path.join(folder, f), root).replace(os.sep, "/") for f in files]
    return sorted(out)


def kept_folder():
    """A folder that is there until the script ends."""
    import atexit
    import shutil
    import tempfile

    d = tempfile.mkdtemp(prefix="azureml-data-")
    atexit.register(shutil.rmtree, d, True)
    return d


def sources_of(path):
    """What from_files takes, as ("store", NAME, PATH), ("local", PATH) and ("url", URL)."""
    if isinstance(path, (list, tuple)) and len(path) == 2 and hasattr(path[0], "datastore_type"):
        inner = path[1] if isinstance(path[1], (list, tuple)) else [path[1]]
        return [("store", path[0].name, p) for p in inner]
    if hasattr(path, "path_on_datastore"):
        return [("store", path.datastore_name or "workspaceblobstore", path.path_on_datastore)]
    if isinstance(path, (list, tuple)):
        if not path:
            raise DatasetValidationError("no path is given")
        return [s for p in path for s in sources_of(p)]
    path = str(path)
    if "://" in path:
        return [("url", path)]
    if not os.path.exists(path):
        raise DatasetValidationError("there is no file or folder %s" % path)
    return [("local", os.path.abspath(path))]


def reached(source, d):
    """Where the bytes of a source lie."""
    if source[0] == "local":
        return source[1]
    if source[0] == "url":
        import urllib.request

        to = os.path.join(d, os.path.basename(source[1].split("?")[0]) or "data")
        urllib.request.urlretrieve(source[1], to)
        return to
    from .datastore import find

    got = find(source[1], source[2])
    if got is None:
        raise DatasetValidationError("nothing was uploaded to %s of datastore %s" % (source[2], source[1]))
    root = fetch(got[0]["name"], got[0]["version"], d)
    if got[1]:
        root = os.path.join(root, got[1])
    if not os.path.exists(root):
        raise DatasetValidationError("datastore %s has nothing at %s" % source[1:])
    return matching(root, source[2], os.path.join(d, "matching"))


def gather(sources, d):
    """The bytes of all sources, of several below one folder."""
    if len(sources) == 1:
        return reached(sources[0], d)
    import shutil

    both = os.path.join(d, "all")
    for i, source in enumerate(sources):
        one = os.path.join(d, str(i))
        os.makedirs(one)
        root = reached(source, one)
        for f in files_of(root):
            to = os.path.join(both, *f.split("/"))
            if os.path.exists(to):
                raise DatasetValidationError("%s comes from more than one of the paths" % f)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copyfile(root if os.path.isfile(root) else os.path.join(root, *f.split("/")), to)
    return both


def matching(root, path, to):
    """Of the files below root those that the pattern of a path means, copied to a folder
    unless it means all of them."""
    parts = [p for p in path.strip("/").split("/") if p]
    pattern = parts[next((i for i, p in enumerate(parts) if "*" in p), len(parts)):]
    if pattern in ([], ["*"], ["**"], ["**", "*"]) or os.path.isfile(root):
        return root
    import re
    import shutil

    if pattern[-1] == "**":
        pattern.append("*")
    # ** stands for any folders, also none.
    words = ["(?:[^/]+/)*" if p == "**" else re.escape(p).replace("\\*", "[^/]*").replace("\\?", "[^/]") + "/" for p in pattern]
    means = re.compile("".join(words)[:-1] + "$").match
    names = [f for f in files_of(root) if means(f)]
    if not names:
        raise DatasetValidationError("no file is %s" % path)
    for f in names:
        out = os.path.join(to, *f.split("/"))
        os.makedirs(os.path.dirname(out), exist_ok=True)
        shutil.copyfile(os.path.join(root, *f.split("/")), out)
    return to
