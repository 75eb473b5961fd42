"""Writes the UCI handwritten digits that scikit-learn ships as PNG files, one folder per class.

    pip install --no-deps -r tools/requirements.txt
    python tools/make_images.py images
"""
import csv
import gzip
import importlib.util
import sys
from pathlib import Path

from PIL import Image


def main(target):
    # The file itself is read, since importing scikit-learn takes longer than all of this.
    package = Path(importlib.util.find_spec("sklearn").submodule_search_locations[0])
    counts = {}
    with gzip.open(package / "datasets" / "data" / "digits.csv.gz", "rt") as file:
        for row in csv.reader(file):
            *pixels, label = (int(float(value)) for value in row)
            folder = Path(target) / str(label)
            folder.mkdir(parents=True, exist_ok=True)
            number = counts[label] = counts.get(label, 0) + 1
            image = Image.frombytes("L", (8, 8), bytes(value * 255 // 16 for value in pixels))
            image.save(folder / f"{label}_{number:04d}.png")
    print(f"{sum(counts.values())} images in {len(counts)} folders below {target}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "images")
