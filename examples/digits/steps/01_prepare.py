"""Step 1: resize the images, split them, register training and testing sets."""
import os
import random
import shutil
import subprocess
from pathlib import Path

from PIL import Image

DATASET_NAME = os.environ.get("DATASET_NAME", "digits")
DATASET_VERSION = os.environ.get("DATASET_VERSION") or "latest"
IMAGE_SIZE = int(os.environ.get("IMAGE_SIZE", "16"))
TRAIN_TEST_SPLIT_FACTOR = float(os.environ.get("TRAIN_TEST_SPLIT_FACTOR", "0.25"))
RANDOM_SEED = int(os.environ.get("RANDOM_SEED", "42"))

RAW = Path("data/raw")
SETS = {"train": Path("data/train"), "test": Path("data/test")}


def versioned(name, version):
    return f"{name}@latest" if version == "latest" else f"{name}:{version}"


def download():
    source = versioned(DATASET_NAME, DATASET_VERSION)
    print(f"Fetching {source}")
    subprocess.run(["cairn", "data", "download", source, "--to", str(RAW)], check=True)


def resize_and_split():
    """Each class is split by the same factor, so that both sets look alike."""
    rng = random.Random(RANDOM_SEED)
    counts = {"train": 0, "test": 0}
    for folder in sorted(p for p in RAW.iterdir() if p.is_dir()):
        images = sorted(folder.glob("*.png"))
        rng.shuffle(images)
        cut = round(len(images) * TRAIN_TEST_SPLIT_FACTOR)
        for split, chosen in (("test", images[:cut]), ("train", images[cut:])):
            target = SETS[split] / folder.name
            target.mkdir(parents=True, exist_ok=True)
            for path in chosen:
                with Image.open(path) as image:
                    image.convert("L").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC).save(target / path.name)
            counts[split] += len(chosen)
    return counts


def register(split):
    subprocess.run(
        [
            "cairn", "data", "create", f"{DATASET_NAME}-{split}", str(SETS[split]),
            "--description", f"{DATASET_NAME}, {IMAGE_SIZE}x{IMAGE_SIZE} pixels, for {split}ing",
            "--tag", f"image_size={IMAGE_SIZE}",
            "--tag", f"split_factor={TRAIN_TEST_SPLIT_FACTOR}",
            "--tag", f"random_seed={RANDOM_SEED}",
        ],
        check=True,
    )


def main():
    for folder in (RAW, *SETS.values()):
        shutil.rmtree(folder, ignore_errors=True)
    download()
    counts = resize_and_split()
    print(f"{counts['train']} images to train with, {counts['test']} to test with")
    for split in SETS:
        register(split)


if __name__ == "__main__":
    main()
