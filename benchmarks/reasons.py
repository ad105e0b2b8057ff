"""How often the reasons for a hard face hit, and how often they are wrong.

    python -m benchmarks.reasons CROPS.npz [--model default] [--turned 100] [--photos FOLDER]

Labelled crops (a file of ``x`` (N, 48, 48) uint8 and ``y`` (N,)) are shrunk, blurred, covered and
turned by ``benchmarks.degraded``. Each row has the share of right answers, and that of crops
called by each reason; the first row, crops as they are, has the false alarms, though some of those
crops are covered, turned or blurred in truth. Turned heads are put into a picture and searched for
by the detector; those that it finds are counted. ``--photos`` prints the same shares for the
faces of photographs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from benchmarks import degraded
from benchmarks.frame import canvas
from rich.console import Console
from rich.table import Table

import mien
from mien import images
from mien.emotions import EMOTIONS
from mien.infer.reasons import REASONS, reasons
from mien.measure.detail import shrunk

AROUND = 128
"""Pixels around a turned head."""


Change = Callable[[np.ndarray], np.ndarray]


def crop_rows(rng: np.random.Generator) -> dict[str, tuple[Change, int]]:
    """What is done to a crop, and the pixels of the picture that its side then covers."""
    rows = {"as it is": (lambda crop: crop, 48)}
    for side in (32, 28, 24, 20, 16):
        rows[f"{side} pixels wide"] = (lambda crop, side=side: shrunk(crop, side), side)
    for sigma in (0.7, 1.0, 1.3, 2.0):
        rows[f"blurred, sigma {sigma}"] = (lambda crop, s=sigma: degraded.blurred(crop, s), 48)
    for pixels, degrees in ((5, 0), (5, 45), (9, 45), (9, 90)):
        rows[f"moved {pixels} pixels at {degrees}°"] = (
            lambda crop, p=pixels, d=degrees: degraded.moved(crop, p, d), 48,
        )  # fmt: skip
    for share in (0.8, 2 / 3, 0.5):
        rows[f"loose, {share:.0%} of a side"] = (lambda c, s=share: degraded.loose(c, s), 48)
    for kind in degraded.COVERS:
        rows[kind] = (lambda crop, kind=kind: degraded.covered(crop, kind, rng), 48)
    return rows


TURNS = {
    "looks ahead": (0, 0),
    "turned by 20°": (20, 0),
    "turned by 40°": (40, 0),
    "turned by 60°": (60, 0),
    "bowed by 25°": (0, 25),
    "bowed by 40°": (0, 40),
    "raised by 25°": (0, -25),
    "raised by 40°": (0, -40),
}
"""Degrees to a side, and down."""


def head(crop: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """A picture (H, W, 3) of a turned head."""
    skin = degraded.turned(crop, yaw, pitch)
    grey = np.pad(skin, AROUND, constant_values=int(np.median(skin[:, :4])))
    return np.repeat(grey[..., None], 3, axis=2)


def width(face: mien.Face) -> float:
    """Of its box."""
    return face.box[2] - face.box[0]


def shares(told: Iterable[list[str]]) -> list[str]:
    """The share of faces that each reason names."""
    named = np.array([[reason in each for reason in REASONS] for each in told])
    return [f"{share:.1%}" for share in named.mean(axis=0)]


def on_crops(x: np.ndarray, y: np.ndarray, model: mien.Model, console: Console) -> None:
    """Print the table of made degradations of crops; ``turned`` is not told without landmarks."""
    table = Table("crops", "right", *REASONS, title=f"{len(x)} crops")
    for name, (change, side) in crop_rows(np.random.default_rng(0)).items():
        made = np.stack([change(crop) for crop in x])
        right = (model.classify(made).expression.argmax(axis=1) == y).mean()
        told = [reasons(None, crop, (side, side)) for crop in made]
        table.add_row(name, f"{right:.1%}", *shares(told))
    console.print(table)


def on_turned(x: np.ndarray, y: np.ndarray, model: mien.Model, console: Console) -> None:
    """Print the table of heads that are turned, found and cropped."""
    table = Table("heads", "found", "right", *REASONS, title="turned heads")
    plain = {n: model.analyze(canvas(crop)) for n, crop in enumerate(x)}
    ahead = [n for n, faces in plain.items() if faces]
    told = [max(plain[n], key=width).reasons for n in ahead]
    table.add_row("as they are", f"{len(ahead)} of {len(x)}", "", *shares(told))
    for name, (yaw, pitch) in TURNS.items():
        seen = [model.analyze(head(x[n], yaw if n % 2 else -yaw, pitch)) for n in ahead]
        faces = [(y[n], max(each, key=width)) for n, each in zip(ahead, seen, strict=True) if each]
        right = np.mean([EMOTIONS.index(face.expression.top) == truth for truth, face in faces])
        found = f"{len(faces)} of {len(ahead)}"
        table.add_row(name, found, f"{right:.1%}", *shares(face.reasons for _, face in faces))
    console.print(table)


def on_photos(folder: Path, model: mien.Model, console: Console) -> None:
    """Print the table of photographs; what is the matter with their faces, people have to see."""
    table = Table("photo", "faces", *REASONS[1:], title="faces that are not small")
    for path in sorted(folder.iterdir()):
        faces = model.analyze(images.read(path), min_face=16)
        told = [face.reasons for face in faces if "small" not in face.reasons]
        if told:
            table.add_row(path.name, str(len(told)), *shares(told)[1:])
    console.print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crops", type=Path)
    parser.add_argument("--model", default="default", help="name or folder of the model")
    parser.add_argument("--sample", type=int, default=2000, help="crops, at most")
    parser.add_argument("--turned", type=int, default=100, help="heads that are turned")
    parser.add_argument("--photos", type=Path, help="a folder of photographs")
    args = parser.parse_args()
    held, console = np.load(args.crops), Console(width=110)
    order = np.random.default_rng(0).permutation(len(held["y"]))
    x, y = held["x"][order], held["y"][order]
    model = mien.load(args.model, threads=1)
    on_crops(x[: args.sample], y[: args.sample], model, console)
    if args.turned:
        on_turned(x[: args.turned], y[: args.turned], model, console)
    if args.photos is not None:
        on_photos(args.photos, model, console)


if __name__ == "__main__":
    main()
