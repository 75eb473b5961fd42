"""What an environment installs."""

from azureml._missing import Named

CHANNEL = "conda-forge"


class CondaDependencies(Named):
    def __init__(self, conda_dependencies_file_path=None, _underlying_structure=None):
        self._text = None
        self.python, self._conda, self._pip, self._channels, self._options = "3.8", [], [], [CHANNEL], []
        if conda_dependencies_file_path:
            with open(conda_dependencies_file_path) as f:
                self._text = f.read()

    @staticmethod
    def create(pip_indexurl=None, pip_packages=None, conda_packages=None, python_version=None, pin_sdk_version=True):
        c = CondaDependencies()
        if python_version:
            c.python = str(python_version)
        for p in conda_packages or []:
            c.add_conda_package(p)
        for p in pip_packages or []:
            c.add_pip_package(p)
        if pip_indexurl:
            c.set_pip_option("--index-url " + pip_indexurl)
        return c

    def _plain(self):
        if self._text is not None:
            from azureml.exceptions import UserErrorException

            raise UserErrorException("CondaDependencies: a file cannot be changed here: write the package into it")

    def add_pip_package(self, pip_package):
        self._plain()
        self._pip.append(pip_package)

    def add_conda_package(self, conda_package):
        self._plain()
        self._conda.append(conda_package)

    def add_channel(self, channel):
        self._plain()
        self._channels.append(channel)

    def set_python_version(self, version):
        self._plain()
        self.python = str(version)

    def set_pip_option(self, pip_option):
        self._plain()
        self._options.append(pip_option)

    def set_pip_requirements(self, pip_requirements):
        for p in pip_requirements:
            self.add_pip_package(p)

    pip_packages = property(lambda self: list(self._pip))
    conda_packages = property(lambda self: list(self._conda))

    def serialize_to_string(self):
        if self._text is not None:
            return self._text
        import json

        deps = ["python=%s" % self.python] + self._conda
        if self._pip or self._options:
            deps.append({"pip": self._options + self._pip})
        return json.dumps({"channels": self._channels, "dependencies": deps}, indent=2)

    def save(self, path=None):
        with open(path or "conda_dependencies.yml", "w") as f:
            f.write(self.serialize_to_string())
        return path

    save_to_file = save
