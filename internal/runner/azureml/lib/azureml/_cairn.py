"""How this package asks Cairn: its command line for what is kept, and the MLflow
interface for what runs log."""

import json
import os

from .exceptions import AuthenticationException, UserErrorException


def program():
    """The command line: CAIRN_PROGRAM, else cairn on PATH, else an az that is a link to it."""
    import shutil

    p = os.environ.get("CAIRN_PROGRAM") or shutil.which("cairn")
    if not p:
        az = shutil.which("az")
        # Cairn answers by the name it is called: what a link leads to is called cairn.
        if az and os.path.basename(os.path.realpath(az)) == "cairn":
            p = os.path.realpath(az)
    if not p:
        raise UserErrorException("cairn is not on PATH: this azureml package asks it for data, models and runs")
    return p


def az(*args, **options):
    """Runs `cairn az ARGS -o json`; returns what it answers. missing is what a name that is
    not there gives."""
    import subprocess

    line = [program(), "az"] + [str(a) for a in args]
    if options.get("show"):
        code = subprocess.call(line)
        if code != 0:
            raise UserErrorException("az %s ended with exit code %d" % (" ".join(line[2:5]), code))
        return None
    p = subprocess.Popen(line + ["-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Python 3.6 in a container has an ASCII locale; what is answered is UTF-8 all the same.
    out, err = [b.decode("utf-8", "replace") for b in p.communicate()]
    if p.returncode == 0:
        return json.loads(out) if out.strip() else None
    said = "\n".join(l[len("ERROR: "):] if l.startswith("ERROR: ") else l for l in err.strip().splitlines())
    if p.returncode == 3 and "missing" in options:
        return options["missing"]
    if "AuthorizationFailed" in err or "az login" in err:
        raise AuthenticationException(said)
    raise UserErrorException(said or "az %s ended with exit code %d" % (" ".join(line[2:5]), p.returncode))


def api(path):
    """What the server's own interface answers; None where it answers with an error."""
    import subprocess

    p = subprocess.Popen([program(), "api", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out = p.communicate()[0]
    return json.loads(out.decode("utf-8", "replace")) if p.returncode == 0 else None


def values(rows, name=None):
    """Metrics as a dict: each is the last of its values."""
    return {m["key"]: float(m["value"]) if isinstance(m["value"], str) else m["value"] for m in rows if name is None or m["key"] == name}


def tags(labels):
    """Tags as arguments."""
    if not labels:
        return []
    return ["--tags"] + ["%s=%s" % (k, v) for k, v in labels.items()]


def register(noun, name, path, kind=None, labels=None, description=None, properties=None):
    """A version of data or of a model."""
    line = ["ml", noun, "create", "-n", name]
    if not properties:
        line += ["--path", path] + (["--type", kind] if kind else [])
        return az(*(line + (["--description", description] if description else []) + tags(labels)))
    import tempfile

    # Only a file says properties.
    about = {"path": path, "properties": {k: str(v) for k, v in properties.items()}, "tags": {k: str(v) for k, v in (labels or {}).items()}}
    if "/paths/" in path:  # as az does without a file: downloads lie below the name of what was registered
        about["properties"]["basename"] = path.rstrip("/").rsplit("/", 1)[-1]
    if kind:
        about["type"] = kind
    if description:
        about["description"] = description
    with tempfile.TemporaryDirectory(prefix="azureml-") as d:
        f = os.path.join(d, noun + ".yml")
        with open(f, "w") as out:
            json.dump(about, out)
        return az(*(line + ["-f", f]))


class Tracking(object):
    """The MLflow interface at MLFLOW_TRACKING_URI."""

    def __init__(self, ask=False):
        self.base = (os.environ.get("MLFLOW_TRACKING_URI") or "").rstrip("/")
        if ask and not self:  # by hand: where the server is
            self.base = (az("ml", "workspace", "show").get("mlflow_tracking_uri") or "").rstrip("/")

    def __bool__(self):
        return self.base.startswith("http")

    def send(self, method, path, body=None, raw=None, query=None, to=None):
        """Asks it; None where a thing is not there. raw is bytes or an open file, to a file
        that the answer is written into."""
        import urllib.error
        import urllib.parse
        import urllib.request

        url = self.base + "/api/2.0/" + path
        if query:
            url += "?" + urllib.parse.urlencode(query)
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        r = urllib.request.Request(url, data=data, method=method)
        r.add_header("Content-Type", "application/octet-stream" if raw is not None else "application/json")
        if hasattr(raw, "fileno"):  # sent as it is read, however large
            r.add_header("Content-Length", str(os.fstat(raw.fileno()).st_size))
        token = os.environ.get("MLFLOW_TRACKING_TOKEN")
        if token:
            r.add_header("Authorization", "Bearer " + token)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
        try:
            with opener.open(r, timeout=120) as resp:
                if to is not None:
                    import shutil

                    shutil.copyfileobj(resp, to)
                    return {}
                text = resp.read()
        except urllib.error.HTTPError as e:
            text = e.read().decode("utf-8", "replace")
            try:
                said = json.loads(text)
                if said.get("error_code") == "RESOURCE_DOES_NOT_EXIST":
                    return None
                text = said.get("message", text)
            except ValueError:
                pass
            raise UserErrorException("the tracking server: %s" % text)
        except urllib.error.URLError as e:
            raise UserErrorException("the tracking server at %s does not answer: %s" % (self.base, e.reason))
        return json.loads(text.decode()) if text.strip().startswith(b"{") else {}

    def experiment(self, name):
        got = self.send("GET", "mlflow/experiments/get-by-name", query={"experiment_name": name})
        if got:
            return got["experiment"]["experiment_id"]
        try:
            return self.send("POST", "mlflow/experiments/create", {"name": name})["experiment_id"]
        except UserErrorException:  # somebody was quicker
            got = self.send("GET", "mlflow/experiments/get-by-name", query={"experiment_name": name})
            if not got:
                raise
            return got["experiment"]["experiment_id"]
