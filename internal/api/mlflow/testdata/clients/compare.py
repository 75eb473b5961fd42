"""Sends the same requests to the stock server and to ours, and compares what
they answer: status, error code, and the reply with ids and times blanked.
Usage: compare.py STOCK_URL OUR_URL"""

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request

A = "/api/2.0/mlflow/"
BATCH = {"run_id": "{run}", "metrics": [{"key": "loss", "value": v, "timestamp": 1000 + s, "step": s} for s, v in enumerate([3, 2, 1.5])]
         + [{"key": "nan", "value": "NaN", "timestamp": 1, "step": 0}, {"key": "inf", "value": "Infinity", "timestamp": 1}],
         "params": [{"key": "lr", "value": "0.1"}], "tags": [{"key": "t", "value": "ü"}]}

# (name, method, path, body, saved) - saved names what to keep of the reply for {name} in later ones.
CALLS = [
    ("default experiment", "GET", A + "experiments/get?experiment_id=0", None, {}),
    ("by name, missing", "GET", A + "experiments/get-by-name?experiment_name=exp", None, {}),
    ("create experiment", "POST", A + "experiments/create", {"name": "exp", "tags": [{"key": "a", "value": "b"}]}, {"exp": ["experiment_id"]}),
    ("create again", "POST", A + "experiments/create", {"name": "exp"}, {}),
    ("name of the wrong type", "POST", A + "experiments/create", {"name": 123}, {}),
    ("no name", "POST", A + "experiments/create", {}, {}),
    ("get", "GET", A + "experiments/get?experiment_id={exp}", None, {}),
    ("missing", "GET", A + "experiments/get?experiment_id=4711", None, {}),
    ("search experiments", "POST", A + "experiments/search", {"max_results": 10, "filter": "name LIKE 'ex%'"}, {}),
    ("create run", "POST", A + "runs/create", {"experiment_id": "{exp}", "start_time": 17, "user_id": "ana", "run_name": "r",
                                               "tags": [{"key": "mlflow.source.name", "value": "x.py"}]}, {"run": ["run", "info", "run_id"]}),
    ("empty run", "GET", A + "runs/get?run_id={run}", None, {}),
    ("log batch", "POST", A + "runs/log-batch", BATCH, {}),
    ("log batch again", "POST", A + "runs/log-batch", BATCH, {}),
    ("log metric", "POST", A + "runs/log-metric", {"run_id": "{run}", "key": "loss", "value": 9, "timestamp": 1, "step": 1}, {}),
    ("log param", "POST", A + "runs/log-parameter", {"run_id": "{run}", "key": "depth", "value": "3"}, {}),
    ("param again", "POST", A + "runs/log-parameter", {"run_id": "{run}", "key": "depth", "value": "3"}, {}),
    ("param changed", "POST", A + "runs/log-parameter", {"run_id": "{run}", "key": "depth", "value": "4"}, {}),
    ("set tag", "POST", A + "runs/set-tag", {"run_uuid": "{run}", "run_id": "{run}", "key": "k", "value": "v"}, {}),
    ("delete tag", "POST", A + "runs/delete-tag", {"run_id": "{run}", "key": "k"}, {}),
    ("delete tag again", "POST", A + "runs/delete-tag", {"run_id": "{run}", "key": "k"}, {}),
    ("log inputs", "POST", A + "runs/log-inputs", {"run_id": "{run}", "datasets": [{"dataset": {"name": "d", "digest": "x", "source_type": "code",
        "source": "{}"}, "tags": [{"key": "mlflow.data.context", "value": "training"}]}]}, {}),
    ("run", "GET", A + "runs/get?run_id={run}", None, {}),
    ("history", "GET", A + "metrics/get-history?run_id={run}&metric_key=loss", None, {}),
    ("no history", "GET", A + "metrics/get-history?run_id={run}&metric_key=none", None, {}),
    ("bad key", "POST", A + "runs/log-metric", {"run_id": "{run}", "key": "a*", "value": 9, "timestamp": 1}, {}),
    ("key as path", "POST", A + "runs/log-parameter", {"run_id": "{run}", "key": "../a", "value": "9"}, {}),
    ("bool value", "POST", A + "runs/log-metric", {"run_id": "{run}", "key": "a", "value": "x", "timestamp": 1}, {}),
    ("no timestamp", "POST", A + "runs/log-metric", {"run_id": "{run}", "key": "a", "value": 1}, {}),
    ("negative timestamp", "POST", A + "runs/log-metric", {"run_id": "{run}", "key": "a", "value": 1, "timestamp": -1}, {}),
    ("long key", "POST", A + "runs/log-metric", {"run_id": "{run}", "key": "a" * 251, "value": 1, "timestamp": 1}, {}),
    ("duplicate params", "POST", A + "runs/log-batch", {"run_id": "{run}", "params": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, {}),
    ("too many params", "POST", A + "runs/log-batch", {"run_id": "{run}", "params": [{"key": f"a{i}", "value": "1"} for i in range(101)]}, {}),
    ("missing run", "GET", A + "runs/get?run_id=" + "0" * 32, None, {}),
    ("no run id", "GET", A + "runs/get", None, {}),
    ("update", "POST", A + "runs/update", {"run_id": "{run}", "status": "FINISHED", "end_time": 99}, {}),
    ("search", "POST", A + "runs/search", {"experiment_ids": ["{exp}"], "filter": "metrics.loss < 2 and params.lr = '0.1'", "order_by": ["metrics.loss DESC"]}, {}),
    ("search nothing", "POST", A + "runs/search", {"experiment_ids": ["{exp}"], "filter": "metrics.loss > 200"}, {}),
    ("search by tag", "POST", A + "runs/search", {"experiment_ids": ["{exp}"], "filter": "tags.t ILIKE 'Ü' or tags.t = 'x'"}, {}),
    ("search by missing attribute", "POST", A + "runs/search", {"experiment_ids": ["{exp}"], "filter": "attributes.none = 'x'"}, {}),
    ("search with a bare word", "POST", A + "runs/search", {"experiment_ids": ["{exp}"], "filter": "metrics.loss > abc"}, {}),
    ("search too much", "POST", A + "runs/search", {"experiment_ids": ["{exp}"], "max_results": 50001}, {}),
    ("delete run", "POST", A + "runs/delete", {"run_id": "{run}"}, {}),
    ("log to deleted", "POST", A + "runs/log-metric", {"run_id": "{run}", "key": "a", "value": 1, "timestamp": 1}, {}),
    ("search deleted", "POST", A + "runs/search", {"experiment_ids": ["{exp}"], "run_view_type": "DELETED_ONLY"}, {}),
    ("restore run", "POST", A + "runs/restore", {"run_id": "{run}"}, {}),
    ("rename", "POST", A + "experiments/update", {"experiment_id": "{exp}", "new_name": "exp2"}, {}),
    ("tag", "POST", A + "experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": "k", "value": "v"}, {}),
    ("delete experiment", "POST", A + "experiments/delete", {"experiment_id": "{exp}"}, {}),
    ("create in a deleted name", "POST", A + "experiments/create", {"name": "exp2"}, {}),
    ("run in a deleted experiment", "POST", A + "runs/create", {"experiment_id": "{exp}"}, {}),
    ("restore experiment", "POST", A + "experiments/restore", {"experiment_id": "{exp}"}, {}),

    ("logged model", "POST", A + "logged-models", {"experiment_id": "{exp}", "name": "net", "source_run_id": "{run}", "model_type": "x",
        "params": [{"key": "p", "value": "1"}]}, {"model": ["model", "info", "model_id"]}),
    ("finish", "PATCH", A + "logged-models/{model}", {"model_id": "{model}", "status": "LOGGED_MODEL_READY"}, {}),
    ("get logged", "GET", A + "logged-models/{model}", None, {}),
    ("missing logged", "GET", A + "logged-models/m-" + "0" * 32, None, {}),
    ("outputs", "POST", A + "runs/outputs", {"run_id": "{run}", "models": [{"model_id": "{model}", "step": 0}]}, {}),
    ("metric of a model", "POST", A + "runs/log-metric", {"run_id": "{run}", "key": "acc", "value": 0.5, "timestamp": 1, "model_id": "{model}"}, {}),
    ("search logged", "POST", A + "logged-models/search", {"experiment_ids": ["{exp}"], "filter": "name = 'net'"}, {}),
    ("tags of logged", "PATCH", A + "logged-models/{model}/tags", {"tags": [{"key": "a", "value": "b"}]}, {}),

    ("put", "PUT", "/api/2.0/mlflow-artifacts/artifacts/{exp}/{run}/artifacts/m/MLmodel", "x: y", {}),
    ("list", "GET", "/api/2.0/mlflow-artifacts/artifacts?path={exp}/{run}/artifacts", None, {}),
    ("list files", "GET", "/api/2.0/mlflow-artifacts/artifacts?path={exp}/{run}/artifacts/m", None, {}),
    ("list of a run", "GET", A + "artifacts/list?run_id={run}&path=m", None, {}),
    ("path out", "GET", "/api/2.0/mlflow-artifacts/artifacts?path=../../x", None, {}),

    ("create model", "POST", A + "registered-models/create", {"name": "reg", "tags": [{"key": "a", "value": "b"}]}, {}),
    ("create model again", "POST", A + "registered-models/create", {"name": "reg"}, {}),
    ("bad model name", "POST", A + "registered-models/create", {"name": "a/b"}, {}),
    ("get model", "GET", A + "registered-models/get?name=reg", None, {}),
    ("version", "POST", A + "model-versions/create", {"name": "reg", "source": "mlflow-artifacts:/{exp}/{run}/artifacts/m", "run_id": "{run}"}, {}),
    ("version of no model", "POST", A + "model-versions/create", {"name": "none", "source": "mlflow-artifacts:/{exp}/{run}/artifacts/m", "run_id": "{run}"}, {}),
    ("source out", "POST", A + "model-versions/create", {"name": "reg", "source": "file:///etc"}, {}),
    ("get version", "GET", A + "model-versions/get?name=reg&version=1", None, {}),
    ("missing version", "GET", A + "model-versions/get?name=reg&version=9", None, {}),
    ("alias", "POST", A + "registered-models/alias", {"name": "reg", "alias": "best", "version": "1"}, {}),
    ("by alias", "GET", A + "registered-models/alias?name=reg&alias=best", None, {}),
    ("missing alias", "GET", A + "registered-models/alias?name=reg&alias=none", None, {}),
    ("bad alias", "POST", A + "registered-models/alias", {"name": "reg", "alias": "v1", "version": "1"}, {}),
    ("stage", "POST", A + "model-versions/transition-stage", {"name": "reg", "version": "1", "stage": "staging"}, {}),
    ("bad stage", "POST", A + "model-versions/transition-stage", {"name": "reg", "version": "1", "stage": "none such"}, {}),
    ("latest", "POST", A + "registered-models/get-latest-versions", {"name": "reg", "stages": ["Staging"]}, {}),
    ("search versions", "GET", A + "model-versions/search?filter=name%3D%27reg%27", None, {}),
    ("search models", "GET", A + "registered-models/search?filter=name%3D%27reg%27", None, {}),
    ("delete version", "DELETE", A + "model-versions/delete", {"name": "reg", "version": "1"}, {}),
    ("delete model", "DELETE", A + "registered-models/delete", {"name": "reg"}, {}),
    ("no endpoint", "POST", A + "none", {}, {}),
]

# What differs on purpose, and why.
MEANT = {
    "search by tag": "both refuse; the words differ",
    "no endpoint": "ours names the route in JSON",
    "search versions": "ours has the aliases, which the stock server forgets in searches",
    "search models": "likewise",
}
ONLY_STOCK = {"sqlstate", "error_class", "error_context", "workspace", "message", "effective_trace_archival_retention"}
TIMES = re.compile(r"(time|timestamp|timestamp_ms)$")


def send(base, method, path, body, known):
    fill = lambda s: re.sub(r"\{(exp|run|model)\}", lambda m: known.get(m[1], m[0]), s)
    headers = {}
    data = None
    if isinstance(body, str):
        data = body.encode()
    elif body is not None:
        data, headers["Content-Type"] = fill(json.dumps(body)).encode(), "application/json"
    req = urllib.request.Request(base + fill(path), data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(req, timeout=60) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def blank(v, known, key=""):
    if isinstance(v, dict):
        if "current_stage" in v:
            v = {k: x for k, x in v.items() if k != "user_id"}  # ours says who registered a version
        return {k: blank(x, known, k) for k, x in sorted(v.items()) if k not in ONLY_STOCK}
    if isinstance(v, list):
        out = [blank(x, known) for x in v]
        if key in ("tags", "params", "metrics"):
            out.sort(key=lambda x: json.dumps(x, sort_keys=True))
        return out
    if isinstance(v, int) and not isinstance(v, bool) and TIMES.search(key) and v > 1e12:
        return "<time>"
    if isinstance(v, str):
        for name, x in sorted(known.items(), reverse=True):
            if name != "exp":
                v = v.replace(x, f"<{name}>")
    return v


def main(stock, ours):
    known = {stock: {}, ours: {}}
    bad = 0
    for name, method, path, body, saved in CALLS:
        got = {}
        for base in (stock, ours):
            status, text = send(base, method, path, body, known[base])
            try:
                reply = json.loads(text) if text.strip() else {}
            except ValueError:
                reply = {"not JSON": text[:100]}
            for k, where in saved.items():
                v = reply
                for w in where:
                    v = v[w]
                known[base][k] = v
            got[base] = (status, blank(reply, known[base]), text)
        if got[stock][:2] != got[ours][:2] and name not in MEANT:
            bad += 1
            print(f"--- {name}: {method} {path}")
            for base, who in ((stock, "stock"), (ours, "ours ")):
                print(f"    {who} {got[base][0]} {json.dumps(got[base][1], ensure_ascii=False)[:1200]}")
                if got[base][0] >= 400:
                    print(f"          {got[base][2][:300]}")
    if bad:
        sys.exit(f"{bad} of {len(CALLS)} replies differ")
    print(f"all is well: {len(CALLS)} replies compared")


main(sys.argv[1].rstrip("/"), sys.argv[2].rstrip("/"))
