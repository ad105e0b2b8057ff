"""How often a small change to a picture changes what the model says first.

    python -m benchmarks.stability DATA [--model default] [--split test]

Each crop of a prepared folder is compressed, halved, mirrored or brightened. The table shows of how
many the most probable emotion is another than before, for each reading.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

import mien
from mien.data.dataset import load
from mien.infer.model import Model

Crops = NDArray[np.uint8]


def each(change: Callable[[Image.Image], Image.Image]) -> Callable[[Crops], Crops]:
    """The change of one picture, as one of (N, 48, 48) crops."""
    return lambda crops: np.stack([np.asarray(change(Image.fromarray(crop))) for crop in crops])


def compressed(quality: int) -> Callable[[Image.Image], Image.Image]:
    """JPEG and back."""

    def change(picture: Image.Image) -> Image.Image:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("L")

    return change


def halved(picture: Image.Image) -> Image.Image:
    """Half as large, and enlarged again."""
    small = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.BILINEAR)


def scaled(factor: float) -> Callable[[Crops], Crops]:
    """Every grey value times a factor, at most 255."""
    return lambda crops: (crops * factor).clip(0, 255).round().astype(np.uint8)


CHANGES: dict[str, Callable[[Crops], Crops]] = {
    "JPEG, quality 40": each(compressed(40)),
    "half the size": each(halved),
    "mirrored": lambda crops: np.ascontiguousarray(crops[:, :, ::-1]),
    "brightness x 1.8": scaled(1.8),
    "brightness x 0.5": scaled(0.5),
}


def tops(model: Model, crops: Crops) -> dict[str, NDArray[np.int64]]:
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
        after = tops(model, change(crops))
        table.add_row(name, *(f"{(after[k] != before[k]).mean():.1%}" for k in before))
    Console().print(table)


if __name__ == "__main__":
    main()
