"""How often a small change to a picture changes what the model says first.

    python -m benchmarks.stability DATA [--model default] [--split test]

Each crop of a prepared folder is compressed, halved, mirrored or brightened. The table shows of how
many the most probable emotion is another than before, for each reading.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from benchmarks.degraded import compressed
from benchmarks.reasons import Change
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import mien
from mien.data.dataset import load
from mien.infer.model import Model
from mien.measure.detail import shrunk

CHANGES: dict[str, Change] = {
    "JPEG, quality 40": lambda crop: compressed(crop, 40),
    "half the size": lambda crop: shrunk(crop, len(crop) // 2),
    "mirrored": lambda crop: crop[:, ::-1],
    "brightness x 1.8": lambda crop: (crop * 1.8).clip(0, 255).round().astype(np.uint8),
    "brightness x 0.5": lambda crop: (crop * 0.5).round().astype(np.uint8),
}


def tops(model: Model, crops: NDArray[np.uint8]) -> dict[str, NDArray[np.int64]]:
    """(N,) the most probable emotion of each reading."""
    scores = model.classify(crops)
    return {
        "expression": scores.expression.argmax(axis=1),
        "votes": scores.votes.argmax(axis=1),
        "label": scores.label.argmax(axis=1),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="prepared folder")
    parser.add_argument("--model", default="default", help="name or folder of the model")
    parser.add_argument("--split", default="test", help="of the folder")
    asked = parser.parse_args()
    model, crops = mien.load(asked.model), load(asked.data).of(asked.split).images
    before = tops(model, crops)
    table = Table("change", *before, title=f"{len(crops):,} crops, another top emotion")
    for name, change in CHANGES.items():
        after = tops(model, np.stack([change(crop) for crop in crops]))
        table.add_row(name, *(f"{(after[k] != before[k]).mean():.1%}" for k in before))
    Console().print(table)


if __name__ == "__main__":
    main()
