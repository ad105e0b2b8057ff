"""Does a model know how sure it may be of small faces?

    python -m benchmarks.doubt MODEL DATA [--sides 12 16 24 48]

The pictures that a pipeline with seed 0 holds out of DATA's train split (a tenth, by groups) are
shrunk to each side and enlarged again, as a photo's small faces are. The table shows, for the
reading shown first, its accuracy on FER-2013's labels beside its mean confidence, and how many
faces are called unclear. A model that was trained on these pictures looks too good here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import mien
from mien.measure.detail import shrunk
from mien.workflows.pipeline import load_splits

READINGS = ("expression", "label")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--sides", type=int, nargs="+", default=[12, 16, 24, 48])
    args = parser.parse_args()
    held = load_splits(args.data, 0).of("valid")
    model = mien.load(args.model)
    table = Table("side", "reading", "accuracy", "confidence", "apart, points", "unclear",
                  title=f"{len(held):,} pictures that were held out")  # fmt: skip
    for side in args.sides:
        scores = model.classify(np.stack([shrunk(image, side) for image in held.images]))
        unclear = (scores.unclear >= scores.unclear_threshold).mean()
        for reading in READINGS:
            shares = getattr(scores, reading)
            accuracy = (shares.argmax(axis=1) == held.emotion).mean()
            confidence = shares.max(axis=1).mean()
            table.add_row(
                f"{side} px", reading, f"{accuracy:.1%}", f"{confidence:.1%}",
                f"{100 * (confidence - accuracy):+.1f}", f"{unclear:.1%}",
            )  # fmt: skip
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
