"""Environments."""

import os

from azureml import _cairn
from azureml._missing import Named, module_getattr
from azureml.exceptions import UserErrorException

from .conda_dependencies import CondaDependencies

DEFAULT_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest"


VARIABLES = "azureml.environment_variables"


class PythonSection(Named):
    def __init__(self):
        self.conda_dependencies, self.user_managed_dependencies, self.interpreter_path = CondaDependencies(), False, "python"
        self.conda_dependencies_file = None


class DockerSection(Named):
    def __init__(self):
        self.base_image, self.base_dockerfile, self.enabled, self.arguments, self.shm_size = DEFAULT_IMAGE, None, False, [], None


class Environment(Named):
    def __init__(self, name, **kwargs):
        self.name, self.version = name, None
        self.python, self.docker = PythonSection(), DockerSection()
        self.environment_variables = {}
        self.inferencing_stack_version = None
        self._registered = None

    def __repr__(self):
        return "Environment(name=%r, version=%r)" % (self.name, self.version)

    @staticmethod
    def from_conda_specification(name, file_path):
        e = Environment(name)
        e.python.conda_dependencies = CondaDependencies(file_path)
        return e

    @staticmethod
    def from_pip_requirements(name, file_path, pip_version=None):
        e = Environment(name)
        with open(file_path) as f:
            for line in f:
                line = line.split("#")[0].strip()
                if line:
                    e.python.conda_dependencies.add_pip_package(line)
        return e

    @staticmethod
    def from_docker_image(name, image, container_registry=None, conda_specification=None, pip_requirements=None):
        if container_registry is not None:
            raise UserErrorException("Environment.from_docker_image: container_registry is not taken here: name the image with its registry, and log in with docker login")
        if conda_specification and pip_requirements:
            raise UserErrorException("Environment.from_docker_image: one of conda_specification and pip_requirements is given")
        e = Environment.from_conda_specification(name, conda_specification) if conda_specification else Environment(name)
        if pip_requirements:
            e = Environment.from_pip_requirements(name, pip_requirements)
        e.docker.base_image = image
        e.python.user_managed_dependencies = not (conda_specification or pip_requirements)
        return e

    @staticmethod
    def from_dockerfile(*args, **kwargs):
        raise UserErrorException("Environment.from_dockerfile is not there: build: {path: FOLDER} in an environment's YAML does it")

    @staticmethod
    def from_existing_conda_environment(*args, **kwargs):
        raise UserErrorException("Environment.from_existing_conda_environment is not there: write a conda file (conda env export)")

    @staticmethod
    def get(workspace, name, version=None):
        row = _cairn.az("ml", "environment", "show", "-n", name, *(["-v", str(version)] if version else ["-l", "latest"]), missing=None)
        e = Environment(name)
        if row is None:
            if name.lower().startswith("azureml-"):
                e._registered = name + "@latest"  # a curated one: known when a job asks for it
                return e
            raise UserErrorException("no environment %s%s" % (name, ":%s" % version if version else ""))
        return e._kept(row, row["version"])

    def _kept(self, row, version):
        import json

        self.version, self._registered = version, "%s:%s" % (row["name"], version)
        self.environment_variables = json.loads((row.get("tags") or {}).get(VARIABLES, "{}"))
        return self

    @staticmethod
    def list(workspace):
        return {r["name"]: Environment(r["name"])._kept(r, r["latest version"]) for r in _cairn.az("ml", "environment", "list") or []}

    def clone(self, new_name):
        import copy

        e = copy.deepcopy(self)
        e.name, e._registered = new_name, None
        return e

    def _spec(self):
        """It, as a job's file names it."""
        if self._registered:
            return "azureml:" + self._registered
        self._check()
        out = {"image": self.docker.base_image or DEFAULT_IMAGE}
        if not self.python.user_managed_dependencies:
            out["conda_file"] = _yaml(self.python.conda_dependencies)
        return out

    def _check(self):
        """What is set and would be passed over."""
        if self.docker.base_dockerfile:
            raise UserErrorException("Environment.docker.base_dockerfile is not taken here: build: {path: FOLDER} in an environment's YAML builds a Dockerfile")
        if self.python.conda_dependencies_file:
            raise UserErrorException("Environment.python.conda_dependencies_file is not taken here: Environment.from_conda_specification reads one")

    def register(self, workspace):
        self._check()
        import json
        import shutil
        import tempfile

        d = tempfile.mkdtemp(prefix="azureml-environment-")
        try:
            spec = {"name": self.name, "image": self.docker.base_image or DEFAULT_IMAGE}
            if not self.python.user_managed_dependencies:
                self.python.conda_dependencies.save(os.path.join(d, "conda.yml"))
                spec["conda_file"] = "conda.yml"
            if self.environment_variables:  # environments of the second SDK have none: they are kept beside it
                spec["tags"] = {VARIABLES: json.dumps(self.environment_variables, sort_keys=True)}
            with open(os.path.join(d, "environment.yml"), "w") as f:
                json.dump(spec, f)
            row = _cairn.az("ml", "environment", "create", "-f", os.path.join(d, "environment.yml"))
        finally:
            shutil.rmtree(d, ignore_errors=True)
        self.version, self._registered = row["version"], "%s:%s" % (row["name"], row["version"])
        return self

    def build(self, workspace, image_build_compute=None):
        print("environments are built when a job first needs them")
        return self

    def save_to_directory(self, path, overwrite=False):
        os.makedirs(path, exist_ok=True)
        self.python.conda_dependencies.save(os.path.join(path, "conda_dependencies.yml"))


def _yaml(c):
    """A conda file as a map where it is JSON, else the path of a copy."""
    import json

    text = c.serialize_to_string()
    try:
        return json.loads(text)
    except ValueError:
        import atexit
        import tempfile

        f = tempfile.NamedTemporaryFile("w", suffix=".yml", prefix="conda-", delete=False)
        f.write(text)
        f.close()
        atexit.register(lambda: os.path.exists(f.name) and os.remove(f.name))
        return f.name


__getattr__ = module_getattr(__name__)
