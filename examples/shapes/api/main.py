"""Tells circles from squares."""

import numpy as np
import tensorflow as tf
from fastapi import Body, FastAPI

CLASSES = ["circle", "square"]
app = FastAPI()
net = tf.keras.models.load_model("model/shapes-cnn")


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/predict")
def predict(picture: str = Body(..., media_type="text/plain")):
    rows = [[int(c) for c in line] for line in picture.split()]
    p = net(np.asarray(rows, "float32")[None, ..., None]).numpy()[0]
    return {"shape": CLASSES[int(p.argmax())], "probability": float(p.max())}
