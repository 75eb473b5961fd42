"""Makes up pebbles: weight and width, small or large."""

import argparse
import os
import random

parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int)
parser.add_argument("--out")
args = parser.parse_args()
r = random.Random(3)
with open(os.path.join(args.out, "pebbles.csv"), "w") as f:
    for _ in range(args.count):
        large = r.random() < 0.5
        f.write("%.2f,%.2f,%d\n" % (r.gauss(40 if large else 15, 6), r.gauss(5 if large else 3, 0.6), large))
print("made", args.count)
