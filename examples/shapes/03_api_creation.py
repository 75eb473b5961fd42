"""Fetches the model for the image of the API."""

import os

from azureml.core import Model

from connection import MODEL, connect

if __name__ == "__main__":
    ws = connect()
    version = os.environ.get("MODEL_VERSION")
    model = Model(ws, MODEL, version=int(version) if version else None)
    print("model", model.name, "version", model.version, "of", model.tags.get("git-sha"), "in", model.download(os.path.join("api", "model"), exist_ok=True))
