"""Writes the handwritten threes, fives and eights that scikit-learn ships as PNG files.

    pip install --no-deps -r tools/requirements.txt
    python tools/make_images.py images
"""
import csv
import gzip
import importlib.util
import sys
from pathlib import Path

from PIL import Image

CLASSES = {3: "three", 5: "five", 8: "eight"}


def main(target):
    package = Path(importlib.util.find_spec("sklearn").submodule_search_locations[0])
    counts = dict.fromkeys(CLASSES.values(), 0)
    with gzip.open(package / "datasets" / "data" / "digits.csv.gz", "rt") as file:
        for row in csv.reader(file):
            *pixels, label = (int(float(value)) for value in row)
            name = CLASSES.get(label)
            if name is None:
                continue
            folder = Path(target) / name
            folder.mkdir(parents=True, exist_ok=True)
            counts[name] += 1
            image = Image.frombytes("L", (8, 8), bytes(value * 255 // 16 for value in pixels))
            image.save(folder / f"{name}_{counts[name]:04d}.png")
    print(", ".join(f"{count} pictures of a {name}" for name, count in counts.items()))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "images")
