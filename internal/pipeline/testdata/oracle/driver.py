"""Answers what the azure-ai-ml package says of files of Azure ML.

    python driver.py < questions > answers

A question is a line {"path": "job.yml", "kind": "command", "set": ["a.b=c"]}, its answer a
line {"ok": true} or {"ok": false, "stage": "load", "type": "ValidationException",
"message": "…", "errors": [{"message", "path", "line"}]}. stage is yaml, load, validate or
crash: an exception that the package does not mean to raise.
"""
import json
import logging
import os
import sys
import warnings

os.environ["AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"] = "true"
os.environ["AZUREML_INTERNAL_COMPONENTS_ENABLED"] = "false"
os.environ["AZURE_HTTP_USER_AGENT"] = "oracle"
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

import yaml  # noqa: E402
from azure.ai.ml.entities import _load_functions as E  # noqa: E402
from azure.ai.ml.entities._validation import SchemaValidatableMixin  # noqa: E402
from azure.ai.ml.exceptions import MlException  # noqa: E402
from marshmallow import ValidationError  # noqa: E402

LOAD = {
    "job": E.load_job,
    "component": E.load_component,
    "data": E.load_data,
    "model": E.load_model,
    "environment": E.load_environment,
    "compute": E.load_compute,
    "datastore": E.load_datastore,
    "online_endpoint": E.load_online_endpoint,
    "online_deployment": E.load_online_deployment,
    "batch_endpoint": E.load_batch_endpoint,
    "batch_deployment": E.load_batch_deployment,
    "schedule": E.load_schedule,
    "workspace": E.load_workspace,
    "registry": E.load_registry,
    "connection": E.load_connection,
}


def loader(q):
    """The function that the original's own commands call."""
    if q["kind"] == "batch_deployment":
        with open(q["path"], encoding="utf-8") as f:
            text = yaml.safe_load(f)
        kind = text.get("type") if isinstance(text, dict) else None
        if kind == "model":
            return E.load_model_batch_deployment
        if kind == "pipeline":
            return E.load_pipeline_component_batch_deployment
    return LOAD[q["kind"]]


def told(err):
    """The single findings of an error, where it has them."""
    out = []
    if isinstance(err, ValidationError):
        def walk(messages, path):
            if isinstance(messages, dict):
                for key, value in messages.items():
                    walk(value, path + [str(key)])
            elif isinstance(messages, (list, tuple)):
                for value in messages:
                    walk(value, path)
            else:
                out.append({"message": str(messages)[:300], "path": ".".join(path)})
        walk(err.messages, [])
    return out[:50]


def refuse(stage, err, errors=None):
    return {"ok": False, "stage": stage, "type": type(err).__name__, "message": str(err)[:2000], "errors": errors or told(err)}


def validated(entity):
    """What an entity says of itself without a service."""
    if not isinstance(entity, SchemaValidatableMixin):
        entity._validate()
        return {"ok": True}
    result = entity._validate(raise_error=False)
    if result.passed:
        return {"ok": True}
    errors = [{"message": str(message)[:300], "path": str(path)} for path, message in result.error_messages.items()]
    return {"ok": False, "stage": "validate", "type": "ValidationResult", "message": "; ".join(f"{e['path']}: {e['message']}" for e in errors)[:2000], "errors": errors}


def answer(q):
    try:
        entity = loader(q)(q["path"], params_override=[{k: yaml.safe_load(v)} for k, _, v in (s.partition("=") for s in q.get("set") or [])])
    except yaml.YAMLError as err:
        return refuse("yaml", err)
    except (ValidationError, MlException) as err:
        if "Error while parsing yaml file" in str(err):
            return refuse("yaml", err)
        return refuse("load", err)
    except Exception as err:  # noqa: BLE001
        return refuse("load" if type(err) is Exception else "crash", err)
    try:
        return validated(entity) if hasattr(entity, "_validate") else {"ok": True}
    except NotImplementedError:  # has none
        return {"ok": True}
    except (ValidationError, MlException) as err:
        return refuse("validate", err)
    except Exception as err:  # noqa: BLE001
        return refuse("crash", err)


def main():
    print(json.dumps({"package": __import__("azure.ai.ml._version", fromlist=["VERSION"]).VERSION}), flush=True)
    for line in sys.stdin:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            print(json.dumps(answer(json.loads(line))), flush=True)


main()
