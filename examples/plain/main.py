import io

import joblib
import numpy as np
from fastapi import FastAPI, File, UploadFile
from PIL import Image

app = FastAPI()
model = joblib.load("model.joblib")


@app.get("/")
def root():
    return {"status": "ok"}


@app.post("/predict")
async def predict(image: UploadFile = File(...)):
    picture = Image.open(io.BytesIO(await image.read())).convert("L").resize((8, 8))
    pixels = np.asarray(picture).reshape(1, -1) / 255 * 16
    return {"digit": int(model.predict(pixels)[0])}
