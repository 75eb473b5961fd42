"""What an environment installs."""

from azureml._missing import Named

CHANNEL = "conda-forge"


def name_of(package):
    """The name of a package without its version."""
    import re

    return re.split(r"[\s=<>!~\[;@]", package.strip(), maxsplit=1)[0].lower()


def parsed(text):
    """A conda file as a dict, where it holds no more than texts and lists of packages, or is
    JSON; None otherwise. There is no reader of YAML in the standard library."""
    import json
    import re

    try:
        return json.loads(text)
    except ValueError:
        pass
    out, at, pip, depth = {}, None, None, None
    for line in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if not line or line == "---":
            continue
        top = re.match(r"([A-Za-z_]+):\s*(.*)$", line)
        item = re.match(r"( *)- +(.+)$", line)
        if top:
            key, value = top.groups()
            if key not in ("name", "channels", "dependencies", "prefix", "variables") or key in out or (key == "variables"):
                return None
            at = out[key] = _word(value) if value else []
            pip = None
            if at is None:
                return None
        elif item and isinstance(at, list):
            indent, value = len(item.group(1)), item.group(2)
            if pip is not None and indent > depth:
                value = _word(value)
                if value is None:
                    return None
                pip.append(value)
            elif re.match(r"pip:\s*$", value):
                pip, depth = [], indent
                at.append({"pip": pip})
            else:
                pip, value = None, _word(value)
                if value is None:
                    return None
                at.append(value)
        else:
            return None
    return out if isinstance(out.get("dependencies"), list) else None


def _word(value):
    """A text of YAML without its quotes; None for what is more than one."""
    value = value.strip()
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0] and value[0] not in value[1:-1] and "\\" not in value:
        return value[1:-1]
    if value[0] in "'\"[]{}&*!|%@`" or ": " in value or value.endswith(":") or value[0] == ">":
        return None
    return value


class CondaDependencies(Named):
    def __init__(self, conda_dependencies_file_path=None, _underlying_structure=None):
        self._text = None
        self.python, self._conda, self._pip, self._channels, self._options = "3.8", [], [], [CHANNEL], []
        if conda_dependencies_file_path:
            with open(conda_dependencies_file_path) as f:
                text = f.read()
            known = parsed(text)
            if known is None:
                self._text = text  # goes on as it is, and is not changed
                return
            self.python, self._channels = None, known.get("channels") or []
            for d in known.get("dependencies") or []:
                if isinstance(d, dict):
                    self._pip += [x for x in d["pip"] if not x.startswith("-")]
                    self._options += [x for x in d["pip"] if x.startswith("-")]
                elif d.startswith(("python=", "python =")):
                    self.python = d.split("=", 1)[1].lstrip("= ")
                else:
                    self._conda.append(d)

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

            raise UserErrorException("CondaDependencies: this file is more than lists of packages, and is taken as it is: write the package into it")

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

    @property
    def pip_packages(self):
        self._plain()
        return list(self._pip)

    @property
    def conda_packages(self):
        self._plain()
        return list(self._conda)

    def remove_pip_package(self, pip_package):
        self._plain()
        self._pip = [p for p in self._pip if name_of(p) != name_of(pip_package)]

    def remove_conda_package(self, conda_package):
        self._plain()
        self._conda = [p for p in self._conda if name_of(p) != name_of(conda_package)]

    def serialize_to_string(self):
        if self._text is not None:
            return self._text
        import json

        deps = (["python=%s" % self.python] if self.python else []) + self._conda
        if self._pip or self._options:
            if not any(name_of(p) == "pip" for p in self._conda):
                deps.append("pip")
            deps.append({"pip": self._options + self._pip})
        return json.dumps({"channels": self._channels, "dependencies": deps}, indent=2)

    def save(self, path=None):
        with open(path or "conda_dependencies.yml", "w") as f:
            f.write(self.serialize_to_string())
        return path

    save_to_file = save
