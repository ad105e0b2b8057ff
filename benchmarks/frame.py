"""Today's crops against those of BlazeFace, the detector before: their place, and their answers.

    python -m benchmarks.frame [--photos FOLDER] [--faces DATA/test --votes DATA/votes.csv]

On photos, both detectors' crops of the same faces are compared in size and place. FER-2013's
pictures are enlarged three times, put into a canvas that repeats their edge, found, cropped and
classified again: a right frame keeps the answers that the classifier gives to the originals.
"""

import argparse
import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from benchmarks import before
from benchmarks.montage import PORTRAITS
from PIL import Image
from rich.console import Console
from rich.table import Table

import mien
from mien import images
from mien.emotions import EMOTIONS, VOTE_COLUMNS
from mien.infer import boxes
from mien.infer.crop import SIDE, crop_face, placement, scale_of
from mien.infer.detect import default_detector

ENLARGE, MARGIN, GROUND = 3, 24, 480  # times, pixels of the crop, side of the canvas
PIXELS = {".jpg", ".jpeg", ".png", ".webp"}


def places(photos: list[Path], console: Console) -> None:
    """Print how crops of the same faces differ in size and place between the detectors."""
    old_crop, old = before.module("infer.crop"), before.module("infer.detect").BlazeFace()
    new, differences, middle = default_detector(), [], np.array([SIDE / 2, SIDE / 2, 1])
    for path in photos:
        picture = images.read(path)
        after = new.detect(picture)
        rows = np.array([face.box for face in after], np.float32).reshape(-1, 4)
        for face in old.detect(picture):
            shared = boxes.overlaps(np.array(face.box, np.float32), rows)[0]
            if not len(rows) or shared.max() < boxes.OVERLAP:
                continue
            was, now = old_crop.placement(face), placement(after[int(shared.argmax())])
            unit = scale_of(was)
            turn = np.arctan2(was[1, 0], was[0, 0])
            x, y = (now @ middle - was @ middle) / unit
            right, down = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
            differences.append((scale_of(now) / unit, right, down))
    columns = np.array(differences).T
    table = Table("of a crop", "median", "middle half", "middle 80 %",
                  title=f"today's crop less BlazeFace's, {columns.shape[1]} faces")  # fmt: skip
    for name, values in zip(("size, ratio", "right, pixels", "down, pixels"), columns, strict=True):
        q = np.quantile(values, [0.1, 0.25, 0.5, 0.75, 0.9])
        table.add_row(name, f"{q[2]:.3f}", f"{q[1]:.2f} to {q[3]:.2f}", f"{q[0]:.2f} to {q[4]:.2f}")
    console.print(table)


def canvas(crop: np.ndarray) -> np.ndarray:
    """A crop, enlarged, in the middle of a square whose margin repeats its edge, as RGB."""
    padded = Image.fromarray(np.pad(crop, MARGIN, mode="edge"))
    large = padded.resize((padded.width * ENLARGE,) * 2, Image.Resampling.BICUBIC)
    around = (GROUND - large.width) // 2
    return np.asarray(
        Image.fromarray(np.pad(np.asarray(large), around, mode="edge")).convert("RGB")
    )


def sampled(folder: Path, votes: Path, count: int) -> Iterator[tuple[np.ndarray, int, int]]:
    """Crops, their label and the most chosen option (-1 where none leads), in seeded order."""
    with votes.open() as file:
        told = {
            row["file"]: [int(row[v] or 0) for v in VOTE_COLUMNS] for row in csv.DictReader(file)
        }
    paths = sorted(folder.glob("*/*.png"))
    for i in np.random.default_rng(0).permutation(len(paths))[:count]:
        path = paths[i]
        counts = sorted(told.get(path.relative_to(folder.parent).as_posix(), []))
        leads = len(counts) > 1 and counts[-1] > counts[-2]
        row = told[path.relative_to(folder.parent).as_posix()] if leads else []
        choice = int(np.argmax(row)) if leads else -1
        yield np.asarray(Image.open(path).convert("L")), EMOTIONS.index(path.parent.name), choice


def answers(folder: Path, votes: Path, count: int, console: Console) -> None:
    """Print how right answers are to the originals and to the crops of either detector."""
    model, old_crop = mien.load(), before.module("infer.crop")
    old, new = before.module("infer.detect").BlazeFace(), default_detector()
    cut: dict[str, list[np.ndarray]] = {"FER-2013's own": [], "BlazeFace's": [], "today's": []}
    truth, missed = [], {"BlazeFace's": 0, "today's": 0}
    for crop, label, choice in sampled(folder, votes, count):
        picture = canvas(crop)
        found = old.detect(picture), new.detect(picture)
        missed["BlazeFace's"] += not found[0]
        missed["today's"] += not found[1]
        if all(found):
            crops = crop, old_crop.crop_face(picture, found[0][0]), crop_face(picture, found[1][0])
            for row, one in zip(cut.values(), crops, strict=True):
                row.append(one)
            truth.append((label, choice))
    y, majority = np.array(truth).T
    voted = majority >= 0
    table = Table("crops", "not found", "label right", "majority right", "same label as own",
                  "same vote", title=f"{len(y)} of {count}, found by both")  # fmt: skip
    own = model.classify(np.stack(cut["FER-2013's own"]))
    for name, crops in cut.items():
        scores = model.classify(np.stack(crops))
        label, vote = scores.label.argmax(1), scores.ballot.argmax(1)
        shares = (
            (label == y).mean(), (vote == majority)[voted].mean(),
            (label == own.label.argmax(1)).mean(), (vote == own.ballot.argmax(1)).mean(),
        )  # fmt: skip
        table.add_row(name, str(missed.get(name, "")), *(f"{share:.1%}" for share in shares))
    console.print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, help="a folder of photos, beside two portraits")
    parser.add_argument("--faces", type=Path, help="one folder an emotion, of 48x48 pictures")
    parser.add_argument("--votes", type=Path, help="FER+ votes of those pictures")
    parser.add_argument("--sample", type=int, default=1000)
    args = parser.parse_args()
    console = Console(width=120)
    more = chain(args.photos.iterdir()) if args.photos else ()
    photos = [path for path, _ in PORTRAITS]
    places([*photos, *sorted(p for p in more if p.suffix.lower() in PIXELS)], console)
    if args.faces:
        answers(args.faces, args.votes, args.sample, console)


if __name__ == "__main__":
    main()
