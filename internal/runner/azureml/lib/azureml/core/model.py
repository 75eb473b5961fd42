"""Models."""

import os

from azureml import _cairn
from azureml._missing import Named, module_getattr
from azureml.exceptions import ModelNotFoundException, UserErrorException, WebserviceException


def used(tags, datasets):
    """Tags with the data that a model was made of."""
    out = dict(tags or {})
    for what, d in datasets or []:
        if getattr(d, "name", None):
            out["dataset.%s" % what] = "%s:%s" % (d.name, d.version)
    return out


def long_id(text, plural):
    """The name and version of .../PLURAL/NAME/versions/VERSION."""
    parts = text.rstrip("/").split("/")
    at = parts.index(plural)
    rest = parts[at + 1:]
    if len(rest) == 3 and rest[1] == "versions":
        return rest[0], rest[2]
    if len(rest) == 1:
        return rest[0], None
    raise UserErrorException("%s is no id of %s" % (text, plural))


class Model(Named):
    class Framework(object):
        SCIKITLEARN, ONNX, TENSORFLOW, PYTORCH, CUSTOM, MULTI = "ScikitLearn", "Onnx", "TensorFlow", "PyTorch", "Custom", "Multi"

    def __init__(self, workspace, name=None, id=None, tags=None, properties=None, version=None, run_id=None, model_framework=None, expand=True, **kwargs):
        self.workspace = workspace
        if id and not name:
            name, _, v = id.partition(":")
            version = version or v or None
            if "/models/" in id:
                name, version = long_id(id, "models")
        if name and "/models/" in name:  # a long id does for a name
            name, found = long_id(name, "models")
            version = version or found
        if not name:
            raise UserErrorException("Model: name or id is given")
        pick = ["-v", str(version)] if version else ["-l", "latest"]
        row = _cairn.az("ml", "model", "show", "-n", name, *pick, missing=None)
        if row is None:
            raise ModelNotFoundException("ModelNotFound: no model %s%s" % (name, ":%s" % version if version else ""))
        self._row = row
        if tags and not _has(row, tags):
            found = Model.list(workspace, name, tags=tags)
            if not found:
                raise ModelNotFoundException("ModelNotFound: no version of %s has the tags %s" % (name, tags))
            self._row = found[0]._row

    @classmethod
    def _of(cls, row, workspace=None):
        m = cls.__new__(cls)
        m.workspace, m._row = workspace, row
        return m

    name = property(lambda self: self._row["name"])
    version = property(lambda self: _number(self._row["version"]))
    id = property(lambda self: "%s:%s" % (self._row["name"], self._row["version"]))
    tags = property(lambda self: dict(self._row.get("tags") or {}))
    properties = property(lambda self: dict(self._row.get("properties") or {}))
    description = property(lambda self: self._row.get("description"))
    created_time = property(lambda self: self._row["creation_context"]["created_at"])
    model_framework = property(lambda self: self.tags.get("framework"))
    run_id = property(lambda self: self.properties.get("run_id"))

    def __repr__(self):
        return "Model(name=%s, id=%s, version=%s)" % (self.name, self.id, self.version)

    @staticmethod
    def register(workspace, model_path, model_name, tags=None, properties=None, description=None, datasets=None, model_framework=None,
                 model_framework_version=None, child_paths=None, sample_input_dataset=None, sample_output_dataset=None, resource_configuration=None, **kwargs):
        if not os.path.exists(model_path):
            raise UserErrorException("Model.register: there is no file or folder %s" % model_path)
        if child_paths:
            raise UserErrorException("Model.register: child_paths is not taken here: put the files into one folder")
        print("Registering model %s" % model_name)
        return Model._create(model_name, os.path.abspath(model_path), used(tags, datasets), description, model_framework, workspace, properties)

    @staticmethod
    def _create(name, path, tags, description=None, framework=None, workspace=None, properties=None):
        if framework:
            tags = dict(tags, framework=framework)
        kind = "mlflow_model" if os.path.isfile(os.path.join(path, "MLmodel")) else None
        return Model._of(_cairn.register("model", name, path, kind, tags, description, properties), workspace)

    @staticmethod
    def list(workspace, name=None, tags=None, properties=None, run_id=None, latest=False, dataset_id=None, expand=True, page_count=255, model_framework=None):
        if run_id is not None or dataset_id is not None:
            raise UserErrorException("Model.list: run_id and dataset_id are not taken here: cairn trace model/NAME:VERSION leads to both")
        names = [name] if name else [r["name"] for r in _cairn.az("ml", "model", "list") or []]
        out = []
        for n in names:
            rows = _cairn.az("ml", "model", "list", "-n", n) or []
            found = [Model._of(r, workspace) for r in rows if _has(r, tags) and _has({"tags": r.get("properties")}, properties)]
            out += found[:1] if latest else found
        return [m for m in out if model_framework is None or m.model_framework == model_framework]

    def download(self, target_dir=".", exist_ok=False, exists_ok=None):
        import shutil
        import tempfile

        exist_ok = exist_ok or bool(exists_ok)
        with tempfile.TemporaryDirectory() as d:
            _cairn.az("ml", "model", "download", "-n", self.name, "-v", self._row["version"], "--download-path", d)
            root = os.path.join(d, self.name)
            inside = sorted(os.listdir(root))
            os.makedirs(target_dir, exist_ok=True)
            for f in inside:
                to = os.path.join(target_dir, f)
                if os.path.exists(to):
                    if not exist_ok:
                        raise WebserviceException("Illegal state: %s exists: give exist_ok=True to write over it" % to)
                    if os.path.isdir(to):
                        shutil.rmtree(to)
                    else:
                        os.remove(to)
                shutil.move(os.path.join(root, f), to)
        return os.path.join(target_dir, inside[0]) if len(inside) == 1 else target_dir

    @staticmethod
    def get_model_path(model_name, version=None, _workspace=None):
        served = os.environ.get("AZUREML_MODEL_DIR")
        if served:
            inside = sorted(os.listdir(served))
            return os.path.join(served, inside[0]) if len(inside) == 1 else served
        m = Model(_workspace, model_name, version=version)
        return m.download(os.path.join("azureml-models", m.name, str(m.version)), exist_ok=True)

    def add_tags(self, tags):
        for k, v in tags.items():
            self._row = _cairn.az("ml", "model", "update", "-n", self.name, "-v", self._row["version"], "--set", "tags.%s=%s" % (k, v))

    def remove_tags(self, tags):
        for k in tags:
            self._row = _cairn.az("ml", "model", "update", "-n", self.name, "-v", self._row["version"], "--remove", "tags.%s" % k)

    def add_properties(self, properties):
        raise UserErrorException("Model.add_properties is not there: Model.register takes properties, and add_tags adds tags")

    def add_dataset_references(self, datasets):
        self.add_tags(used({}, datasets))

    def update(self, tags=None, description=None, sample_input_dataset=None, sample_output_dataset=None, resource_configuration=None):
        self.add_tags(tags or {})
        if description is not None:
            self._row = _cairn.az("ml", "model", "update", "-n", self.name, "-v", self._row["version"], "--set", "description=%s" % description)

    def delete(self):
        _cairn.az("ml", "model", "archive", "-n", self.name, "-v", self._row["version"])

    def serialize(self):
        return {"name": self.name, "version": self.version, "id": self.id, "tags": self.tags, "properties": self.properties}

    @staticmethod
    def deploy(workspace, name, models, inference_config=None, deployment_config=None, deployment_target=None, overwrite=False, show_output=False):
        from .webservice import deploy

        if deployment_target is not None:
            raise UserErrorException("Model.deploy: deployment_target is not taken here: endpoints are served by this machine")
        return deploy(workspace, name, models, inference_config, deployment_config, overwrite)

    @staticmethod
    def package(*args, **kwargs):
        raise UserErrorException("Model.package is not there: cairn image build packs a Dockerfile, Model.deploy a model with its script")

    @staticmethod
    def profile(*args, **kwargs):
        raise UserErrorException("Model.profile is not there: nothing stands in for it")


def _number(v):
    try:
        return int(v)
    except ValueError:
        return v


def _has(row, tags):
    mine = row.get("tags") or {}
    pairs = tags.items() if isinstance(tags, dict) else (tags or [])
    for t in pairs:
        if isinstance(t, str):
            if t not in mine:
                return False
        elif len(t) == 1 and t[0] not in mine or len(t) == 2 and mine.get(t[0]) != str(t[1]):
            return False
    return True


class InferenceConfig(Named):
    def __init__(self, entry_script, runtime=None, conda_file=None, extra_docker_file_steps=None, source_directory=None, enable_gpu=None,
                 description=None, base_image=None, base_image_registry=None, cuda_version=None, environment=None):
        if extra_docker_file_steps or base_image_registry or cuda_version:
            raise UserErrorException("InferenceConfig: extra_docker_file_steps, base_image_registry and cuda_version are not taken here: build an image, and name it in an Environment")
        if conda_file and environment is not None:
            raise UserErrorException("InferenceConfig: one of conda_file and environment is given")
        self.entry_script, self.source_directory, self.environment = entry_script, source_directory, environment
        self.conda_file, self.base_image = conda_file, base_image


__getattr__ = module_getattr(__name__)
