"""Datastores: names. What is uploaded to a path of one is kept as data of that name."""

import os

from azureml import _cairn
from azureml._missing import Named
from azureml.exceptions import UserErrorException


def asset_name(store, path):
    """The name under which what lies at a path of a datastore is kept."""
    import re

    p = re.sub(r"[^A-Za-z0-9_-]+", "_", path.strip("/")).strip("_")
    return ("%s_%s" % (store, p or "root"))[:255]


class Datastore(Named):
    def __init__(self, workspace, name="workspaceblobstore"):
        self.workspace, self.name = workspace, name
        self.datastore_type, self.account_name, self.container_name = "AzureBlob", "cairn", name

    def __repr__(self):
        return "Datastore(%r)" % self.name

    @classmethod
    def get(cls, workspace, datastore_name):
        return cls(workspace, datastore_name)

    @classmethod
    def get_default(cls, workspace):
        return cls(workspace)

    @classmethod
    def register_azure_blob_container(cls, workspace, datastore_name, container_name=None, account_name=None, **kwargs):
        return cls(workspace, datastore_name)

    def path(self, path=None, data_reference_name=None):
        from azureml.data.datapath import DataPath

        return DataPath(self, path or "")

    def upload(self, src_dir, target_path=None, overwrite=False, show_progress=True):
        if not os.path.isdir(src_dir):
            raise UserErrorException("Datastore.upload: there is no folder %s" % src_dir)
        name = asset_name(self.name, target_path or "")
        old = _cairn.az("ml", "data", "show", "-n", name, "-l", "latest", missing=None)
        if old and not overwrite:
            # As in the original: files that are there stay, the others come beside them.
            import shutil
            import tempfile

            with tempfile.TemporaryDirectory() as both:
                merged = os.path.join(both, "files")
                self.download(merged, target_path)
                copy_tree(src_dir, merged, False)
                made = self._keep(name, merged, target_path)
                shutil.rmtree(merged, ignore_errors=True)
        else:
            made = self._keep(name, src_dir, target_path)
        if show_progress:
            print("Uploaded %s as data %s:%s" % (src_dir, made["name"], made["version"]))
        return self.path(target_path)

    def _keep(self, name, folder, target_path):
        return _cairn.az("ml", "data", "create", "-n", name, "--type", "uri_folder", "--path", os.path.abspath(folder),
                         "--tags", "datastore=" + self.name, "path=" + (target_path or ""))

    def upload_files(self, files, relative_root=None, target_path=None, overwrite=False, show_progress=True):
        import shutil
        import tempfile

        root = relative_root or os.path.commonpath([os.path.dirname(os.path.abspath(f)) for f in files])
        with tempfile.TemporaryDirectory() as d:
            for f in files:
                to = os.path.join(d, os.path.relpath(os.path.abspath(f), os.path.abspath(root)))
                if os.path.relpath(to, d).startswith(".."):
                    raise UserErrorException("Datastore.upload_files: %s lies outside of %s" % (f, root))
                os.makedirs(os.path.dirname(to), exist_ok=True)
                shutil.copyfile(f, to)
            return self.upload(d, target_path, overwrite, show_progress)

    def download(self, target_path, prefix=None, overwrite=False, show_progress=True):
        import tempfile

        with tempfile.TemporaryDirectory() as d:
            from ._gather import fetch

            found = find(self.name, prefix or "")
            if found is None:
                raise UserErrorException("nothing was uploaded to %s of datastore %s" % (prefix or "/", self.name))
            got, below = found
            root = fetch(got["name"], got["version"], d)
            return copy_tree(os.path.join(root, below) if below else root, target_path, overwrite)


def find(store, path):
    """The data that holds a path of a datastore, and where in it; None where there is none."""
    parts = [p for p in path.strip("/").split("/") if p]
    parts = parts[:next((i for i, p in enumerate(parts) if "*" in p), len(parts))]
    for n in range(len(parts), -1, -1):
        got = _cairn.az("ml", "data", "show", "-n", asset_name(store, "/".join(parts[:n])), "-l", "latest", missing=None)
        if got:
            return got, os.path.join(*parts[n:]) if parts[n:] else ""
    return None


def copy_tree(src, to, overwrite):
    """Copies files; returns how many. Those that are there stay unless overwrite."""
    import shutil

    if os.path.isfile(src):
        os.makedirs(to, exist_ok=True)
        shutil.copyfile(src, os.path.join(to, os.path.basename(src)))
        return 1
    n = 0
    for folder, _, files in os.walk(src):
        for f in files:
            out = os.path.join(to, os.path.relpath(os.path.join(folder, f), src))
            os.makedirs(os.path.dirname(out), exist_ok=True)
            if overwrite or not os.path.exists(out):
                shutil.copyfile(os.path.join(folder, f), out)
                n += 1
    return n
