"""Answers for a model: calls init() once and run() for each request, as the inference
server of Azure Machine Learning does, or asks an MLflow model without any code.

Told by its environment: AZUREML_ENTRY_SCRIPT (a file; none: the MLflow model),
AZUREML_MODEL_DIR, CAIRN_MLFLOW_MODEL (folder), PORT. Only the standard library is used, so
that it goes into any image with Python 3.6 or later.
"""

import importlib.util
import json
import os
import signal
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

MOST = 64 << 20  # bytes of a request


class Refused(Exception):
    """What a caller did wrong."""


def load_script(path):
    """Imports a scoring script and calls init(); returns what answers a request."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location("main", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["main"] = module
    spec.loader.exec_module(module)
    run = getattr(module, "run", None)
    if run is None:
        raise SystemExit("%s has no function run(): it is called with the body of each request" % path)
    init = getattr(module, "init", None)
    if init is None:
        raise SystemExit("%s has no function init(): it is called once, before the first request" % path)
    init()

    def answer(body):
        text = body.decode("utf-8")
        if not schema_of(run):
            return run(text)
        try:
            values = json.loads(text)
        except ValueError as e:
            raise Refused("the body is not JSON: %s" % e)
        if not isinstance(values, dict):
            raise Refused("the body is not a JSON object: its keys are the arguments of run()")
        return run(**values)

    return answer


def schema_of(run):
    """Whether run() is decorated by inference_schema: then its arguments are the body's keys."""
    module = sys.modules.get("inference_schema.schema_util")
    if module is None and "inference_schema" in sys.modules:
        try:
            import inference_schema.schema_util as module
        except ImportError:
            return False
    if module is None:
        return False
    try:
        return bool(module.is_schema_decorated(run))
    except Exception:
        return hasattr(run, "__wrapped__")


def load_mlflow(folder):
    """Loads an MLflow model; returns what answers a request."""
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(folder)
    schema = None
    try:
        schema = model.metadata.get_input_schema()
    except Exception:
        pass

    def answer(body):
        try:
            values = json.loads(body.decode("utf-8"))
        except ValueError as e:
            raise Refused("the body is not JSON: %s" % e)
        return model.predict(frame(values, schema))

    return answer


def frame(values, schema):
    """What a model is asked with: the shapes that Azure ML and MLflow take."""
    import numpy as np
    import pandas as pd

    if not isinstance(values, dict):
        values = {"input_data": values}
    for key in ("input_data", "dataframe_split", "dataframe_records", "instances", "inputs"):
        if key in values:
            data = values[key]
            break
    else:
        raise Refused('the body has none of the keys "input_data", "dataframe_split", "dataframe_records", "inputs", "instances"')
    if isinstance(data, dict) and "data" in data and "columns" in data:
        out = pd.DataFrame(data=data["data"], columns=data["columns"], index=data.get("index"))
    elif key == "dataframe_records" or (isinstance(data, list) and data and isinstance(data[0], dict)):
        out = pd.DataFrame(data)
    elif isinstance(data, dict) and "data" in data:
        out = pd.DataFrame(data["data"])
    elif isinstance(data, dict):
        return {name: np.asarray(v) for name, v in data.items()}
    else:
        out = np.asarray(data)
        names = None
        if schema is not None and not schema.is_tensor_spec():
            names = schema.input_names()
        if names and out.ndim == 2 and len(names) == out.shape[1]:
            out = pd.DataFrame(out, columns=names)
        return out
    if schema is not None and not schema.is_tensor_spec():
        for name, kind in zip(schema.input_names(), schema.pandas_types()):
            if name in out:
                try:
                    out[name] = out[name].astype(kind)
                except (TypeError, ValueError) as e:
                    raise Refused("column %s: %s" % (name, e))
    return out


def plain(value):
    """A value as JSON has it: arrays, frames and numbers of numpy become lists."""
    for name, args in (("to_dict", {"orient": "records"}), ("tolist", {})):
        method = getattr(value, name, None)
        if method is not None:
            try:
                return method(**args)
            except TypeError:
                continue
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    raise TypeError("run() answered %s, which JSON cannot hold: answer a list, a dict, text or a number" % type(value).__name__)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer = None
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def say(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.split("?")[0] == "/":
            return self.say(200, b"Healthy", "text/plain")
        if self.path.split("?")[0] == "/score":
            return self.score(self.path.partition("?")[2].encode())
        self.say(404, json.dumps({"message": "there is /score, and / for probes"}).encode())

    def do_POST(self):
        body = self.body()
        if body is None:
            return
        if self.path.split("?")[0] != "/score":
            return self.say(404, json.dumps({"message": "there is /score, and / for probes"}).encode())
        self.score(body)

    def body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            parts, total = [], 0
            while True:
                try:
                    n = int(self.rfile.readline(100).split(b";")[0].strip() or b"0", 16)
                except ValueError:
                    self.close_connection = True
                    return self.say(400, b'{"message": "the length of a chunk is no number"}')
                total += n
                if n < 0 or total > MOST:
                    self.close_connection = True
                    return self.say(413, b'{"message": "too large"}')
                parts.append(self.rfile.read(n))
                self.rfile.readline(100)
                if n == 0:
                    return b"".join(parts)
        n = int(self.headers.get("Content-Length") or 0)
        if n > MOST:
            self.close_connection = True
            return self.say(413, b'{"message": "too large"}')
        return self.rfile.read(n)

    def score(self, body):
        try:
            value = type(self).answer(body)
            out = json.dumps(value, default=plain).encode()
        except Refused as e:
            return self.say(400, json.dumps({"message": str(e)}).encode())
        except UnicodeDecodeError as e:
            return self.say(400, json.dumps({"message": "the body is not UTF-8: %s" % e}).encode())
        except Exception as e:
            traceback.print_exc()
            return self.say(500, json.dumps({"message": "%s: %s" % (type(e).__name__, e)}).encode())
        self.say(200, out)


class Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    request_queue_size = 512
    allow_reuse_address = True


def main():
    script = os.environ.get("AZUREML_ENTRY_SCRIPT")
    Handler.answer = staticmethod(load_script(script) if script else load_mlflow(os.environ["CAIRN_MLFLOW_MODEL"]))
    server = Server(("0.0.0.0" if os.environ.get("CAIRN_ALL_ADDRESSES") else "127.0.0.1", int(os.environ.get("PORT", "5001"))), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown, daemon=True).start())
    print("the model is loaded; listening on port %d" % server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
