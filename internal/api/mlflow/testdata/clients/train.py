"""What a training script does with scikit-learn: autolog, models, registry."""

import time

import mlflow
import numpy as np
from mlflow import MlflowClient
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

V3 = int(mlflow.__version__.split(".")[0]) >= 3


def log_model(model, **kw):
    where = {"name": "model"} if V3 else {"artifact_path": "model"}
    return mlflow.sklearn.log_model(model, **where, **kw)


def main():
    client = MlflowClient()
    x, y = load_digits(return_X_y=True)
    xa, xb, ya, yb = train_test_split(x, y, random_state=0)
    mlflow.set_experiment("digits")

    mlflow.sklearn.autolog()
    with mlflow.start_run(run_name="auto") as auto:
        LogisticRegression(max_iter=50, C=0.5).fit(xa, ya)
    got = client.get_run(auto.info.run_id)
    assert got.data.params["C"] == "0.5" and got.data.metrics["training_accuracy_score"] > 0.9, got.data
    files = [f.path for f in client.list_artifacts(auto.info.run_id)]
    assert "estimator.html" in files, files
    assert got.inputs.dataset_inputs, "autolog logs the dataset"
    mlflow.sklearn.autolog(disable=True)

    with mlflow.start_run(run_name="train") as run:
        data = mlflow.data.from_numpy(xa, targets=ya, name="digits-train")
        mlflow.log_input(data, context="training")
        mlflow.log_params({"C": 1.0, "max_iter": 100})
        model = LogisticRegression(max_iter=100).fit(xa, ya)
        for epoch in range(3):
            mlflow.log_metric("accuracy", accuracy_score(yb, model.predict(xb)) - 0.1 * (2 - epoch), step=epoch)
        info = log_model(model, registered_model_name="digits", input_example=xa[:2])
    rid = run.info.run_id
    got = client.get_run(rid)
    assert [d.dataset.name for d in got.inputs.dataset_inputs] == ["digits-train"], got.inputs
    v = client.get_model_version("digits", "1")
    assert v.run_id == rid and v.status == "READY", v
    if V3:
        assert v.source == f"models:/{info.model_id}", v  # clients do not read model_id
        logged = mlflow.get_logged_model(info.model_id)
        assert logged.status == "READY" and logged.source_run_id == rid, logged
        assert [m.model_id for m in got.outputs.model_outputs] == [info.model_id], got.outputs
        found = mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], filter_string=f"source_run_id = '{rid}'", output_format="list")
        assert [m.model_id for m in found] == [info.model_id], found

    client.set_registered_model_alias("digits", "champion", "1")
    client.transition_model_version_stage("digits", "1", "Staging")
    want = model.predict(xb)
    uris = [f"runs:/{rid}/model", "models:/digits/1", "models:/digits@champion", "models:/digits/latest", "models:/digits/Staging", info.model_uri]
    for uri in uris:
        before = time.time()
        assert np.array_equal(mlflow.sklearn.load_model(uri).predict(xb), want), uri
        took = time.time() - before
        print(f"{uri}: {took:.2f} s")
        assert took < 20, f"loading {uri} stalls: {took} s"
    assert np.array_equal(mlflow.pyfunc.load_model("models:/digits/1").predict(xb), want)

    before = time.time()
    mv = mlflow.register_model(f"runs:/{rid}/model", "digits")
    print(f"register_model: {time.time() - before:.2f} s")
    assert time.time() - before < 20, "register_model stalls"
    # The same files from the same source by the same job are the same version.
    assert int(mv.version) == 1 and mv.run_id == rid, mv
    with mlflow.start_run():
        log_model(LogisticRegression(max_iter=20).fit(xa, ya), registered_model_name="digits")
    assert [int(m.version) for m in client.search_model_versions("name='digits'")] == [2, 1]
    copy = client.copy_model_version("models:/digits/1", "digits-copy")
    assert copy.run_id == rid and np.array_equal(mlflow.sklearn.load_model("models:/digits-copy/1").predict(xb), want)
    runs = mlflow.search_runs(filter_string="metrics.accuracy > 0.5", order_by=["metrics.accuracy DESC"])
    assert list(runs.run_id) == [rid], runs
    print("all is well", mlflow.__version__)


main()
