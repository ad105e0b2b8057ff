"""Does cleaning pay? One recipe on the raw and on the prepared Training set, two seeds.

    python -m benchmarks.cleaning recipes/small.toml data/fer2013 [epochs=8]

Prepares the source with its own split kept (PublicTest stays as published, and training pictures
with a copy in it leave), trains the recipe on both, and scores the same PublicTest pictures: all of
them, and those without a copy in raw Training. Intervals are of 1,000 resamplings of groups; the
difference is paired. Stopped, it goes on where it was; further arguments override the recipe.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from benchmarks.paired import show
from numpy.typing import NDArray

from mien.data.dataset import Dataset, load_folder
from mien.data.options import KEEP_SPLIT, Options
from mien.data.prepare import prepare


def train(recipe: str, data: Path, name: str, seed: int, overrides: list[str]) -> Path:
    """Train, or go on; returns the run's folder."""
    from mien.train.run import runs_folder

    run = runs_folder() / name
    command = [sys.executable, "-m", "mien"]
    if not (run / "bundle" / "model.onnx").exists():
        asked = [f"name={name}", f"seed={seed}", *overrides]
        subprocess.run([*command, "train", recipe, str(data), *asked], check=True)
        exported = [str(run), "--out", str(run / "bundle"), "--data", str(data)]
        subprocess.run([*command, "export", *exported], check=True)
    return run


def right(run: Path, test: Dataset) -> NDArray[np.float64]:
    """1 where the label head says FER-2013's label."""
    import mien

    scores = mien.load(run).classify(test.images)
    return (scores.label.argmax(1) == test.emotion).astype(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("data", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--work", type=Path, default=Path("runs/cleaning"))
    given = parser.parse_args()

    clean = given.work / "prepared"
    prepare(given.data, clean, Options(split=KEEP_SPLIT))
    raw = load_folder(given.data)
    test = raw.of("test")
    kept = load_folder(clean).of("train")
    print(f"Training: {len(raw.of('train')):,} raw, {len(kept):,} prepared; test: {len(test):,}")
    leaked = np.isin(test.group, raw.of("train").group)

    answers = {
        kind: np.mean(
            [
                right(train(given.recipe, data, f"cleaning-{kind}-{s}", s, given.overrides), test)
                for s in given.seeds
            ],
            axis=0,
        )
        for kind, data in (("raw", given.data), ("prepared", clean))
    }

    lines = {**answers, "prepared minus raw": answers["prepared"] - answers["raw"]}
    show(lines, ~leaked, "no copy in raw", test.group)


if __name__ == "__main__":
    main()
