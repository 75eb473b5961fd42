"""The API: a picture of a three, a five or an eight comes in, the word goes out."""
import io
import json
from pathlib import Path

import cloudpickle
import numpy as np
from fastapi import FastAPI, HTTPException, UploadFile
from PIL import Image, UnidentifiedImageError

IMAGE_SIZE = 16
# register_model keeps the name of the folder that the model was mounted at.
MODEL = Path(__file__).parent / "handwriting" / "INPUT_model_path"

app = FastAPI(title="Handwriting")
classes = json.loads((MODEL / "classes.json").read_text())
with (MODEL / "model.pkl").open("rb") as file:
    model = cloudpickle.load(file)


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/predict")
async def predict(image: UploadFile):
    try:
        picture = Image.open(io.BytesIO(await image.read())).convert("L")
    except UnidentifiedImageError:
        raise HTTPException(415, f"{image.filename} is not a picture")
    picture = picture.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    pixels = np.asarray(picture, dtype=np.float32).reshape(1, -1) / 255
    return {"digit": classes[int(model.predict(pixels)[0])]}
