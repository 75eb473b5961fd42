"""Sorts pebbles."""

import glob
import pickle

from fastapi import FastAPI

app = FastAPI()
with open(glob.glob("model/**/pebbles.pkl", recursive=True)[0], "rb") as f:
    model = pickle.load(f)


@app.get("/health")
def health():
    return {"status": "ok"}


@app.get("/sort")
def sort(weight: float, width: float):
    return {"pebble": "large" if model.predict([[weight, width]])[0] else "small"}
