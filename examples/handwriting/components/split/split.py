"""Deals the pictures of each class out to training and test data."""
import argparse
import random
import shutil
from pathlib import Path


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--class", nargs=2, action="append", dest="classes", metavar=("NAME", "FOLDER"), required=True)
    parser.add_argument("--test-percent", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--testing", type=Path, required=True)
    args = parser.parse_args()

    for name, folder in args.classes:
        pictures = sorted(Path(folder).glob("*.png"))
        random.Random(args.seed).shuffle(pictures)
        tests = round(len(pictures) * args.test_percent / 100)
        for target, part in ((args.testing, pictures[:tests]), (args.training, pictures[tests:])):
            (target / name).mkdir(parents=True, exist_ok=True)
            for picture in part:
                shutil.copyfile(picture, target / name / picture.name)
        print(f"{name}: {len(pictures) - tests} to train with, {tests} to test with")


if __name__ == "__main__":
    main()
