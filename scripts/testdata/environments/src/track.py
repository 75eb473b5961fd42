import mlflow

with mlflow.start_run():
    mlflow.log_param("where", "a container")
    mlflow.log_metric("loss", 0.25, step=1)
print("tracked")
