"""What scripts do without a machine learning library. Runs on mlflow-skinny."""

import math
import os
import tempfile
import time

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

V3 = int(mlflow.__version__.split(".")[0]) >= 3


def refused(what, code, call):
    try:
        call()
    except MlflowException as e:
        assert e.error_code == code, (what, e.error_code, e)
        return str(e)
    raise AssertionError(f"{what} was not refused")


def main():
    client = MlflowClient()
    exp = mlflow.set_experiment("basics")
    assert exp.artifact_location.startswith("mlflow-artifacts:/"), exp.artifact_location
    assert mlflow.set_experiment("basics").experiment_id == exp.experiment_id
    assert client.get_experiment("0").name == "Default"
    client.set_experiment_tag(exp.experiment_id, "team", "vision")
    assert client.get_experiment(exp.experiment_id).tags["team"] == "vision"
    assert [e.name for e in client.search_experiments(filter_string="name LIKE 'bas%' AND tags.team = 'vision'")] == ["basics"]

    with mlflow.start_run(run_name="first", tags={"who": "ana"}) as run:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"depth": 3, "long": "x" * 6000, "name with space/and.dots": "y"})
        for step in range(5):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.log_metrics({"acc": 0.9, "odd": float("nan"), "big": float("inf")}, step=1)
        mlflow.set_tag("note", "größer ✓")
        mlflow.set_tags({"a": "1", "b": "2"})
        mlflow.log_text("hello", "notes/hello wörld.txt")
        mlflow.log_dict({"a": [1, 2]}, "config.json")
        with tempfile.TemporaryDirectory() as d:
            for i in range(3):
                with open(os.path.join(d, f"{i}.txt"), "w") as f:
                    f.write("x" * i)
            mlflow.log_artifacts(d, "many")
            mlflow.log_artifact(os.path.join(d, "1.txt"))
        with mlflow.start_run(run_name="child", nested=True):
            mlflow.log_metric("loss", 0.5)
    got = client.get_run(run.info.run_id)
    assert got.info.status == "FINISHED" and got.info.run_name == "first" and got.info.end_time, got.info
    assert got.data.params["lr"] == "0.1" and got.data.params["name with space/and.dots"] == "y", got.data.params
    assert got.data.metrics["loss"] == 0.2 and math.isnan(got.data.metrics["odd"]) and got.data.metrics["big"] > 1e308, got.data.metrics
    assert got.data.tags["note"] == "größer ✓" and got.data.tags["who"] == "ana", got.data.tags
    assert got.data.tags["mlflow.source.git.commit"] == "a1" * 20 and got.data.tags["cairn.job"] == "7", got.data.tags
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [m.step for m in history] == [0, 1, 2, 3, 4] and history[0].value == 1.0, history

    names = sorted(f.path for f in client.list_artifacts(run.info.run_id))
    assert names == ["1.txt", "config.json", "many", "notes"], names
    assert [(f.path, f.file_size) for f in client.list_artifacts(run.info.run_id, "many")] == [("many/0.txt", 0), ("many/1.txt", 1), ("many/2.txt", 2)]
    assert client.list_artifacts(run.info.run_id, "config.json") == []
    assert mlflow.artifacts.load_text(run.info.artifact_uri + "/notes/hello wörld.txt") == "hello"
    with tempfile.TemporaryDirectory() as d:
        local = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=d)
        assert sorted(os.listdir(os.path.join(local, "many"))) == ["0.txt", "1.txt", "2.txt"]
    before = time.time()
    try:
        mlflow.artifacts.load_text(run.info.artifact_uri + "/nothing.txt")
        raise AssertionError("a missing artifact was found")
    except Exception as e:
        assert not isinstance(e, AssertionError), e
    assert time.time() - before < 20, "a missing artifact stalls the client"

    rid = run.info.run_id
    refused("another value", "INVALID_PARAMETER_VALUE", lambda: client.log_param(rid, "lr", "0.2"))
    client.log_param(rid, "lr", "0.1")
    refused("a missing run", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_run("0" * 32))
    refused("a missing experiment", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_experiment("4711"))
    refused("a taken name", "RESOURCE_ALREADY_EXISTS", lambda: client.create_experiment("basics"))
    refused("a bad filter", "INVALID_PARAMETER_VALUE", lambda: client.search_runs([exp.experiment_id], "metrics.loss ~ 3"))

    client.log_batch(rid, metrics=[Metric(f"m{i}", i, 1000 + i, 0) for i in range(1000)])
    client.log_batch(rid, params=[Param(f"p{i}", str(i)) for i in range(100)], tags=[RunTag(f"t{i}", "v") for i in range(100)])
    assert len(client.get_run(rid).data.metrics) == 1004

    for i in range(5):
        with mlflow.start_run(run_name=f"s{i}"):
            mlflow.log_metric("score", i / 10)
            mlflow.log_param("kind", "even" if i % 2 == 0 else "odd")
    ids = [exp.experiment_id]
    by = lambda **kw: [r.info.run_name for r in client.search_runs(ids, **kw)]
    assert by(filter_string="metrics.score > 0.1 and params.kind = 'even'", order_by=["metrics.score DESC"]) == ["s4", "s2"]
    assert by(filter_string="attributes.run_name LIKE 's%' AND metrics.`score` <= 0.1", order_by=["attributes.start_time ASC"]) == ["s0", "s1"]
    assert by(filter_string="tags.`mlflow.runName` ILIKE 'S3'") == ["s3"]
    assert by(filter_string=f"attributes.run_id IN ('{rid}')") == ["first"]
    page = client.search_runs(ids, filter_string="metrics.score >= 0", order_by=["metrics.score"], max_results=2)
    seen = [r.info.run_name for r in page]
    while page.token:
        page = client.search_runs(ids, filter_string="metrics.score >= 0", order_by=["metrics.score"], max_results=2, page_token=page.token)
        seen += [r.info.run_name for r in page]
    assert seen == ["s0", "s1", "s2", "s3", "s4"], seen

    client.delete_run(rid)
    assert client.get_run(rid).info.lifecycle_stage == "deleted"
    refused("a deleted run", "INVALID_PARAMETER_VALUE", lambda: client.log_metric(rid, "x", 1))
    assert "first" not in by()
    client.restore_run(rid)
    client.set_terminated(rid, "FAILED")
    client.update_run(rid, name="renamed")
    assert client.get_run(rid).info.run_name == "renamed"
    client.delete_tag(rid, "note")
    assert "note" not in client.get_run(rid).data.tags
    other = client.create_experiment("other", tags={"x": "y"})
    client.rename_experiment(other, "renamed")
    client.delete_experiment(other)
    client.restore_experiment(other)

    client.create_registered_model("plain", tags={"a": "b"}, description="said")
    refused("a taken model", "RESOURCE_ALREADY_EXISTS", lambda: client.create_registered_model("plain"))
    v = client.create_model_version("plain", run.info.artifact_uri + "/many", rid)
    assert v.version in ("1", 1) and v.run_id == rid and v.status == "READY", v
    client.set_registered_model_alias("plain", "champion", v.version)
    assert client.get_model_version_by_alias("plain", "champion").version == v.version
    client.set_model_version_tag("plain", v.version, "k", "v")
    client.update_model_version("plain", v.version, "described")
    got = client.get_model_version("plain", v.version)
    assert got.tags == {"k": "v"} and got.description == "described" and got.aliases == ["champion"], got
    client.set_registered_model_tag("plain", "k", "v")
    client.update_registered_model("plain", "new words")
    assert client.get_registered_model("plain").tags == {"a": "b", "k": "v"}
    client.delete_registered_model_tag("plain", "k")
    assert [m.name for m in client.search_registered_models("name ILIKE 'PLA%'")] == ["plain"]
    assert [int(m.version) for m in client.search_model_versions("name = 'plain'")] == [1]
    # The version's bytes stay when the run's change.
    client.log_text(rid, "changed", "many/2.txt")
    uri = client.get_model_version_download_uri("plain", v.version)
    assert mlflow.artifacts.load_text(uri + "/2.txt") == "xx"
    v2 = client.create_model_version("plain", f"models:/plain/{v.version}")
    assert int(v2.version) == 2
    client.delete_registered_model_alias("plain", "champion")
    client.delete_model_version("plain", "2")
    refused("a deleted version", "RESOURCE_DOES_NOT_EXIST", lambda: client.get_model_version("plain", "2"))
    client.transition_model_version_stage("plain", "1", "production")
    assert client.get_latest_versions("plain", ["Production"])[0].version in ("1", 1)
    refused("a foreign source", "INVALID_PARAMETER_VALUE", lambda: client.create_model_version("plain", "file:///etc"))
    client.delete_registered_model("plain")

    print("all is well", mlflow.__version__)


main()
