"""The API: a picture of a digit comes in, the digit goes out."""
import io
import os
from pathlib import Path

import cloudpickle
import numpy as np
from fastapi import FastAPI, HTTPException, UploadFile
from PIL import Image, UnidentifiedImageError

IMAGE_SIZE = 16
MODEL = Path(__file__).parent / "model" / "model.pkl"

app = FastAPI(title="Digits")
with MODEL.open("rb") as file:
    model = cloudpickle.load(file)


def resize(picture):
    return picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)


@app.get("/health")
def health():
    return {"status": "ok"}


@app.get("/version")
def version():
    names = ("API_VERSION", "MODEL_NAME", "MODEL_VERSION", "GIT_SHA")
    return {name.lower(): os.environ.get(name, "") for name in names}


@app.post("/predict")
async def predict(image: UploadFile):
    try:
        picture = Image.open(io.BytesIO(await image.read())).convert("L")
    except UnidentifiedImageError:
        raise HTTPException(415, f"{image.filename} is not a picture")
    pixels = np.asarray(resize(picture), dtype=np.float32).reshape(1, -1) / 255
    return {"digit": int(model.predict(pixels)[0])}
