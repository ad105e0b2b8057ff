"""How many planted label errors are found, and how many flags are right.

    python -m benchmarks.label_errors recipes/small.toml data/fer2013 [--share 0.02] [epochs=4]

Flips two in a hundred Training labels, trains grouped out-of-fold networks on the flipped copy
(which has no votes, so the votes judge flags that never saw them), and flags labels as
``mien data prepare`` does. A flag is right where the label was flipped, or where the votes
contradict it: at most two of ten for the label, and another emotion leads. A flag on a picture
without votes that was not flipped counts as wrong. The baseline flags as many pictures at random.
Stopped, it goes on where it was; further arguments override the recipe.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.dataset import Dataset, load
from mien.data.mislabelled import FILTER, label_issues, match
from mien.emotions import BALLOT_INDEX, EMOTIONS
from mien.measure.predictions import Predictions


def flip(emotion: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Labels with a share of them turned into another, each of the others alike."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(emotion), round(share * len(emotion)), replace=False)
    flipped = emotion.copy()
    flipped[rows] = (emotion[rows] + rng.integers(1, len(EMOTIONS), len(rows))) % len(EMOTIONS)
    return flipped


def write_copy(data: Dataset, labels: NDArray[np.int64], root: Path) -> list[str]:
    """Lay the pictures out under their new labels; returns each picture's id there."""
    ids = []
    for row, label in enumerate(labels.tolist()):
        name = f"train/{EMOTIONS[label].value}/{row:06d}.png"
        ids.append(name)
        path = root / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(data.images[row]).save(path)
    return ids


def contradicted(data: Dataset) -> NDArray[np.bool_]:
    """Where the votes give the label at most two of ten and another emotion the lead."""
    seven = data.votes[:, BALLOT_INDEX]
    mine = seven[np.arange(len(data)), data.emotion]
    return data.has_votes & (mine <= 2) & (seven.max(1) > mine)


def judge(
    flagged: NDArray[np.bool_], planted: NDArray[np.bool_], data: Dataset, rows: NDArray[np.int64]
) -> dict[str, float]:
    """Shares among the judged rows."""
    wrong = planted | contradicted(data)
    count = max(1, int(flagged.sum()))
    return {
        "flags": float(flagged.sum()),
        "planted found": float(flagged[planted].mean()),
        "planted or contradicted": float((flagged & wrong).sum() / count),
        "planted alone": float((flagged & planted).sum() / count),
        "chance": float(wrong[rows].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("data", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/label_errors"))
    parser.add_argument("--methods", nargs="+", default=[FILTER])
    given = parser.parse_args()

    data = load(given.data).of("train")
    labels = flip(data.emotion, given.share, given.seed)
    copy = given.work / f"flipped-{given.seed}"
    if not (copy / "done").exists():
        shutil.rmtree(copy, ignore_errors=True)
        write_copy(data, labels, copy)
        (copy / "done").touch()
    ids = [f"train/{EMOTIONS[label].value}/{row:06d}.png" for row, label in enumerate(labels)]
    name = f"label_errors-{given.seed}"
    subprocess.run(
        [sys.executable, "-m", "mien", "train", given.recipe, copy, f"name={name}",
         "--folds", str(given.folds), *given.overrides],
        check=True,
    )  # fmt: skip
    from mien.train.run import runs_folder

    table = Predictions.load(runs_folder() / name / "oof.npz")
    rows, scores = match(table, ids)
    planted = labels != data.emotion
    print(f"{len(rows):,} pictures judged, {planted[rows].sum():,} labels flipped")
    print(f"out-of-fold accuracy on the unflipped labels: "
          f"{(scores.argmax(1) == data.emotion[rows]).mean():.1%}")  # fmt: skip
    for method in given.methods:
        flagged = np.zeros(len(data), np.bool_)
        flagged[rows] = label_issues(labels[rows], scores, method=method)[0]
        said = judge(flagged, planted, data, rows)
        print(
            f"{method}: {said['flags']:,.0f} flags; of the planted ones found "
            f"{said['planted found']:.1%}; of the flags planted or contradicted by votes "
            f"{said['planted or contradicted']:.1%}, planted alone {said['planted alone']:.1%}; "
            f"random flags: {said['chance']:.1%} right"
        )


if __name__ == "__main__":
    main()
