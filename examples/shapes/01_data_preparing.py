"""Draws shapes, uploads and registers them, and splits them into training and testing sets."""

import os
import random

from azureml.core import Dataset, Datastore
from azureml.data.datapath import DataPath

from connection import SHA, connect

SIZE, COUNT = 16, 60


def draw(kind, seed):
    """A picture as lines of digits, so that nothing but Python is needed."""
    r = random.Random(seed)
    x, y, h = r.uniform(5, 11), r.uniform(5, 11), r.uniform(3, 5)
    rows = []
    for j in range(SIZE):
        row = ""
        for i in range(SIZE):
            dx, dy = abs(i - x), abs(j - y)
            inside = dx * dx + dy * dy <= h * h if kind == "circle" else max(dx, dy) <= h
            row += "1" if inside != (r.random() < 0.02) else "0"
        rows.append(row)
    return "\n".join(rows) + "\n"


def prepare(ws):
    store = Datastore.get(ws, "workspaceblobstore")
    for kind in ("circle", "square"):
        folder = os.path.join("data", kind)
        os.makedirs(folder, exist_ok=True)
        for n in range(COUNT):
            with open(os.path.join(folder, "%s_%03d.txt" % (kind, n)), "w") as f:
                f.write(draw(kind, "%s %d" % (kind, n)))
        files = Dataset.File.upload_directory(src_dir=folder, target=DataPath(store, "shapes/" + kind), overwrite=True, show_progress=False)
        got = files.register(ws, name=kind + "s", description="Pictures of one shape", tags={"git-sha": SHA}, create_new_version=True)
        print("registered", got.name, "version", got.version)


def split(ws):
    store = Datastore.get(ws, "workspaceblobstore")
    version = os.environ.get("DATASET_VERSION") or "latest"
    names = []
    for kind in ("circle", "square"):
        names += Dataset.get_by_name(ws, kind + "s", version=version).download(os.path.join("data", "all"), overwrite=True)
    random.Random(1).shuffle(names)
    cut = len(names) * 4 // 5
    for part, some in (("training", names[:cut]), ("testing", names[cut:])):
        folder = os.path.join("data", part)
        os.makedirs(folder, exist_ok=True)
        for n in some:
            os.replace(n, os.path.join(folder, os.path.basename(n)))
        files = Dataset.File.upload_directory(src_dir=folder, target=DataPath(store, "shapes/" + part), overwrite=True, show_progress=False)
        got = files.register(ws, name=part + "-set", tags={"git-sha": SHA}, create_new_version=True)
        print("registered", got.name, "version", got.version, "with", len(got.to_path()), "pictures")


if __name__ == "__main__":
    ws = connect()
    if os.environ.get("PREPARE_DATA", "true") == "true":
        prepare(ws)
    if os.environ.get("SPLIT_DATA", "true") == "true":
        split(ws)
