"""Submits the training and registers its model."""

import os

from azureml.core import Dataset, Environment, Experiment, Model, ScriptRunConfig
from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.core.compute_target import ComputeTargetException

from connection import EXPERIMENT, MODEL, SHA, connect


def compute(ws, name="cpu-cluster"):
    try:
        return ComputeTarget(ws, name)
    except ComputeTargetException:
        made = ComputeTarget.create(ws, name, AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4))
        made.wait_for_completion(show_output=True)
        return made


if __name__ == "__main__":
    ws = connect()
    training, testing = Dataset.get_by_name(ws, "training-set"), Dataset.get_by_name(ws, "testing-set")
    config = ScriptRunConfig(
        source_directory="training",
        script="train.py",
        arguments=[
            "--training-set", training.as_named_input("training").as_download(),
            "--testing-set", testing.as_named_input("testing").as_download(),
            "--epochs", int(os.environ.get("EPOCHS", "60")),
        ],
        environment=Environment.from_conda_specification("shapes-tf", "environment.yml"),
        compute_target=compute(ws),
    )
    run = Experiment(ws, EXPERIMENT).submit(config, tags={"git-sha": SHA})
    run.wait_for_completion(show_output=True)
    print("metrics", run.get_metrics())
    if os.environ.get("REGISTER_MODEL", "true") == "true":
        model = run.register_model(model_name=MODEL, model_path="outputs/shapes-cnn", tags={"git-sha": SHA}, datasets=[("training", training), ("testing", testing)])
        print("registered", model.name, "version", model.version)
