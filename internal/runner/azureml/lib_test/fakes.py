"""What the tests ask in the place of Cairn: a program that keeps a note of each line, and an
MLflow server of a few endpoints. Nothing leaves this machine."""

import json
import os
import stat
import sys
import tempfile
import threading
import unittest
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

LIB = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib")
if LIB not in sys.path:
    sys.path.insert(0, LIB)

# The program keeps versions and files below its folder. Files that a line names are read
# while they are there: the package removes them afterwards.
PROGRAM = '''#!%s
import json, os, shutil, sys
root = %r
args = sys.argv[1:]
flags, i = {}, 0
words = [a for a in args[:5] if not a.startswith("-")]
while i < len(args):
    if args[i].startswith("-"):
        values = []
        while i + 1 < len(args) and not args[i + 1].startswith("-"):
            i += 1
            values.append(args[i])
        flags.setdefault(args[i - len(values)].lstrip("-"), []).extend(values)
    i += 1
def flag(*names):
    for n in names:
        if flags.get(n):
            return flags[n][0]
path = flag("f")
body = json.load(open(path)) if path else None
with open(os.path.join(root, "lines"), "a") as f:
    f.write(json.dumps({"args": args, "file": body}) + "\\n")
noun, verb = ("api", args[1].rsplit("/", 1)[-1]) if args[0] == "api" else (args[2], args[3])
answers = os.path.join(root, "answers", noun + "-" + verb)
if os.path.exists(answers):
    text = open(answers).read()
    code, _, text = text.partition("\\n")
    (sys.stderr if code != "0" else sys.stdout).write(text)
    sys.exit(int(code))
if noun not in ("data", "model"):
    print("{}")
    sys.exit(0)
name = flag("n")
folder = os.path.join(root, noun, name or "")
def versions():
    return sorted(os.listdir(folder), key=int) if os.path.isdir(folder) else []
def row(v):
    return json.load(open(os.path.join(folder, v, "row")))
if verb == "create":
    v = str(len(versions()) + 1)
    src = flag("path") or body["path"]
    os.makedirs(os.path.join(folder, v))
    tags = dict(t.split("=", 1) for t in flags.get("tags", [])) or (body or {}).get("tags", {})
    r = {"name": name, "version": v, "id": "/subscriptions/s/%%s/%%s/versions/%%s" %% ({"data": "data", "model": "models"}[noun], name, v), "tags": tags,
         "type": flag("type") or (body or {}).get("type"), "properties": {k: v for k, v in (body or {}).get("properties", {}).items() if k != "basename"}, "path": src}
    json.dump(r, open(os.path.join(folder, v, "row"), "w"))
    to = os.path.join(folder, v, "files", name)
    if os.path.isdir(src):
        shutil.copytree(src, to)
    elif os.path.isfile(src):
        os.makedirs(to if noun == "model" else os.path.dirname(to))
        shutil.copy(src, os.path.join(to, os.path.basename(src)) if noun == "model" else to)
    print(json.dumps(r))
elif verb == "list" and not name:
    print(json.dumps([json.load(open(os.path.join(root, noun, n, max(os.listdir(os.path.join(root, noun, n)), key=int), "row"))) for n in sorted(os.listdir(os.path.join(root, noun)))]))
elif verb == "list":
    print(json.dumps([row(v) for v in reversed(versions())]))
else:
    v = flag("v") or (versions() or [None])[-1]
    if v not in versions():
        sys.stderr.write("ERROR: there is no %%s %%s\\n" %% (noun, name))
        sys.exit(3)
    if verb == "download":
        shutil.copytree(os.path.join(folder, v, "files", name), os.path.join(flag("download-path"), name)) if os.path.isdir(os.path.join(folder, v, "files", name)) else (
            os.makedirs(flag("download-path"), exist_ok=True), shutil.copy(os.path.join(folder, v, "files", name), os.path.join(flag("download-path"), name)))
    else:
        print(json.dumps(row(v)))
'''


class Tracked(BaseHTTPRequestHandler):
    def answer(self, body, code=200):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def serve(self):
        url = urllib.parse.urlparse(self.path)
        path, query = url.path[len("/api/2.0/"):], dict(urllib.parse.parse_qsl(url.query))
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        s = self.server
        if path.startswith("mlflow-artifacts/"):
            name = urllib.parse.unquote(path[len("mlflow-artifacts/artifacts/1/r/"):])
            if self.command == "PUT":
                s.files[name] = raw
                return self.answer({})
            return self.answer(s.files[name])
        body = json.loads(raw.decode()) if raw else query
        s.asked.append((path, body, self.headers.get("Authorization")))
        if path == "mlflow/experiments/get-by-name":
            return self.answer({"experiment": {"experiment_id": "1"}} if body["experiment_name"] in s.experiments else {"error_code": "RESOURCE_DOES_NOT_EXIST"},
                               200 if body["experiment_name"] in s.experiments else 404)
        if path == "mlflow/experiments/create":
            s.experiments.append(body["name"])
            return self.answer({"experiment_id": "1"})
        if path == "mlflow/runs/create":
            s.runs += 1
            return self.answer({"run": {"info": {"run_id": "run%d" % s.runs}}})
        if path == "mlflow/runs/get":
            return self.answer({"run": {"info": {"run_id": body["run_id"], "experiment_id": "1", "status": "RUNNING", "artifact_uri": "mlflow-artifacts:/1/r"}, "data": {"metrics": [{"key": "a", "value": 1.5}]}}})
        if path == "mlflow/runs/search":
            if "'" not in body.get("filter", "") or "parentRunId" in body["filter"]:
                at = int(body.get("page_token") or 0)
                page = {"runs": s.listed[at:at + 2]}
                if s.listed[at + 2:]:
                    page["next_page_token"] = str(at + 2)
                return self.answer(page)
            rows = s.found.get(body["filter"].split("'")[1])
            return self.answer({"runs": [{"info": {"run_id": "r"}, "data": {"metrics": rows}}]} if rows else {})
        if path == "mlflow/artifacts/list":
            at = body.get("path", "")
            here = {}
            for f in s.files:
                if f.startswith(at + "/" if at else ""):
                    rest = f[len(at) + 1 if at else 0:]
                    here[(at + "/" if at else "") + rest.split("/")[0]] = "/" in rest
            return self.answer({"files": [{"path": p, "is_dir": d} for p, d in here.items()]})
        self.answer({})

    do_GET = do_POST = do_PUT = serve

    def log_message(self, *args):
        pass


class Case(unittest.TestCase):
    """A folder of its own, the program and the server."""

    def setUp(self):
        self.dir = os.path.realpath(tempfile.mkdtemp())
        self.root = os.path.join(self.dir, "cairn-root")
        for d in ("answers", "data", "model"):
            os.makedirs(os.path.join(self.root, d))
        self.program = os.path.join(self.root, "cairn")
        with open(self.program, "w") as f:
            f.write(PROGRAM % (sys.executable, self.root))
        os.chmod(self.program, stat.S_IRWXU)
        self.old, self.env = os.getcwd(), dict(os.environ)
        os.chdir(self.dir)
        for k in list(os.environ):
            if k.startswith(("MLFLOW_", "AZUREML_", "CAIRN_", "GITHUB_", "AZURE_ML_")):
                del os.environ[k]
        os.environ["CAIRN_PROGRAM"] = self.program
        self.server = None
        from azureml.core.experiment import Experiment
        from azureml.core.run import Run

        Run._context = Experiment._named = None
        self.hook = sys.excepthook

    def tearDown(self):
        import atexit
        import shutil

        sys.excepthook = self.hook
        atexit._run_exitfuncs()  # runs that a test began end while the server is there
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
        os.chdir(self.old)
        os.environ.clear()
        os.environ.update(self.env)
        shutil.rmtree(self.dir, ignore_errors=True)

    def track(self):
        self.server = s = HTTPServer(("127.0.0.1", 0), Tracked)
        s.asked, s.files, s.experiments, s.runs, s.found, s.listed = [], {}, [], 0, {}, []
        threading.Thread(target=s.serve_forever, args=(0.01,), daemon=True).start()
        os.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:%d" % s.server_address[1]
        os.environ["MLFLOW_TRACKING_TOKEN"] = "secret"
        return s

    def answers(self, line, body, code=0):
        with open(os.path.join(self.root, "answers", line), "w") as f:
            f.write("%d\n%s" % (code, body if isinstance(body, str) else json.dumps(body)))

    def lines(self, *words):
        """What the program was asked that begins with these words behind az ml."""
        with open(os.path.join(self.root, "lines")) as f:
            rows = [json.loads(line) for line in f]
        return [r for r in rows if r["args"][2:2 + len(words)] == list(words)]

    def write(self, name, text=""):
        p = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(p), exist_ok=True)
        with open(p, "w") as f:
            f.write(text)
        return p
