"""Right answers to photos that lie on a side or stand on their head, against the same upright.

    python -m benchmarks.turned CROPS.npz [--sample 400] [--photos FOLDER]

Labelled crops (a file of ``x`` (N, 48, 48) uint8, ``y`` (N,) and ``set`` (N,)) are enlarged three
times and put into a canvas that repeats their edge; each photo is analysed upright and turned by
90, 180 and 270 degrees. The table shows faces found, and right answers of all and of those found.
With a folder of upright photos, the CPU time that looking for a turn adds to their search is told.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from benchmarks.detect import best_ms
from benchmarks.frame import PIXELS, canvas
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mien
from mien import images
from mien.emotions import EMOTIONS
from mien.infer import retinaface

QUARTERS = (0, 1, 2, 3)
REPEATS = 12


def price(folder: Path, console: Console) -> None:
    """Print how much longer upright photos are searched because they might be turned."""
    photos = [
        images.read(path) for path in sorted(folder.iterdir()) if path.suffix.lower() in PIXELS
    ]
    detector = retinaface.RetinaFace(threads=1)
    seconds = {}
    for name, check in (("looked at", retinaface.looks_turned), ("not", lambda faces: False)):
        with mock.patch.object(retinaface, "looks_turned", check):
            seconds[name] = sum(
                best_ms(partial(detector.detect, photo), REPEATS) for photo in photos
            )
    more = seconds["looked at"] / seconds["not"] - 1
    console.print(f"{len(photos)} upright photos: searching for a turn adds {more:.1%} of CPU time")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crops", type=Path)
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--photos", type=Path, help="a folder of upright photos")
    args = parser.parse_args()
    held = np.load(args.crops)
    rows = np.random.default_rng(0).permutation(len(held["y"]))[: args.sample]
    model = mien.load(threads=1)
    tops = np.full((len(QUARTERS), len(rows)), -1)
    for n, row in enumerate(track(rows, console=Console(stderr=True))):
        photo = canvas(held["x"][row])
        for quarters in QUARTERS:
            faces = model.analyze(np.ascontiguousarray(np.rot90(photo, quarters)))
            if faces:
                largest = max(faces, key=lambda face: face.box[2] - face.box[0])
                tops[quarters, n] = EMOTIONS.index(largest.expression.top)
    truth = held["y"][rows]
    table = Table("turned by", "found", "right of all", "right of found", "lost, points",
                  title=f"{len(rows)} photos of one face, label of their set")  # fmt: skip
    upright = float((tops[0] == truth).mean())
    for quarters in QUARTERS:
        found, right = tops[quarters] >= 0, tops[quarters] == truth
        table.add_row(
            f"{90 * quarters}°", f"{found.mean():.1%}", f"{right.mean():.1%}",
            f"{right[found].mean():.1%}", f"{100 * (upright - right.mean()):.1f}",
        )  # fmt: skip
    console = Console(width=100)
    console.print(table)
    if args.photos:
        price(args.photos, console)


if __name__ == "__main__":
    main()
