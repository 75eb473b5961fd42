"""Learns to sort pebbles."""

import argparse
import os
import pickle

import mlflow
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

parser = argparse.ArgumentParser()
parser.add_argument("--pebbles")
parser.add_argument("--neighbours", type=int)
parser.add_argument("--model")
args = parser.parse_args()
rows = np.loadtxt(os.path.join(args.pebbles, "pebbles.csv"), delimiter=",")
x, tx, y, ty = train_test_split(rows[:, :2], rows[:, 2], random_state=1)
model = KNeighborsClassifier(args.neighbours).fit(x, y)
with mlflow.start_run():
    mlflow.log_metric("accuracy", model.score(tx, ty))
with open(os.path.join(args.model, "pebbles.pkl"), "wb") as f:
    pickle.dump(model, f)
print("accuracy", model.score(tx, ty))
