"""Brings all pictures of a folder to one size."""
import argparse
from pathlib import Path

from PIL import Image


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    args.out.mkdir(parents=True, exist_ok=True)
    count = 0
    for path in sorted(args.pictures.rglob("*.png")):
        with Image.open(path) as image:
            image.convert("L").resize((args.size, args.size), Image.Resampling.BICUBIC).save(args.out / path.name)
        count += 1
    print(f"{count} pictures of {args.size} by {args.size} pixels")


if __name__ == "__main__":
    main()
