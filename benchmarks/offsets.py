"""How disgust's offset is chosen: the mean over resamples against the edge of the line alone.

    mien evaluate MODEL data/fer2013     for each model
    python -m benchmarks.offsets MODEL.evaluation/predictions.npz ...

Each rule chooses on four folds and is judged on the fifth, with several shares of the budget and
several splits into folds. ``largest lost`` is the most that any split lost, ``spread`` the standard
deviation of a split's five offsets; all are means over the files.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.emotions import Emotion
from mien.measure import folds, logit_adjust
from mien.measure.bootstrap import Array
from mien.measure.readers import read

SHARES = (0.0015, 0.002, 0.0025, 0.003)


def edge(y: NDArray[np.int64], scores: Array, budget: float) -> float:
    """The baseline: the last offset before the line of these very pictures crosses the budget."""
    line = logit_adjust.trade(y, scores)
    too_dear = line.accuracy < line.accuracy[0] - budget
    first = int(too_dear.argmax()) if too_dear.any() else len(too_dear)
    return float(line.offset[max(first - 1, 0)])


def judged(path: Path, rule: str, budget: float, splits: int) -> tuple[float, float, float, float]:
    """Recall, accuracy lost, the largest such loss and the offsets' spread over the splits."""
    table = read(path)
    y, scores = table.y, table.label
    mine = y == Emotion.DISGUST.position
    before = (scores.argmax(axis=1) == y).mean()
    recalls, losses, spreads = [], [], []
    for seed in range(splits):
        if rule == "edge":
            adjusted, offsets = folds.cross_fit(
                lambda rows: edge(y[rows], scores[rows], budget),
                lambda offset, rows: logit_adjust.adjust(scores[rows], offset),
                folds.grouped(len(y), group=table.group, seed=seed),
            )
        else:
            adjusted, offsets = logit_adjust.cross_fitted(
                y, scores, group=table.group, budget=budget, seed=seed
            )
        right = adjusted.argmax(axis=1) == y
        recalls.append(right[mine].mean())
        losses.append(before - right.mean())
        spreads.append(np.std(offsets))
    return (
        float(np.mean(recalls)),
        float(np.mean(losses)),
        float(np.max(losses)),
        float(np.mean(spreads)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("predictions", type=Path, nargs="+")
    parser.add_argument("--splits", type=int, default=6)
    given = parser.parse_args()
    from rich.console import Console
    from rich.table import Table

    page = Table("rule", "spent", "recall", "points lost", "largest lost", "spread")
    for rule in ("edge", "mean"):
        for budget in SHARES:
            rows = [judged(path, rule, budget, given.splits) for path in given.predictions]
            recall, lost, most, spread = np.mean(rows, axis=0)
            page.add_row(
                rule, f"{budget * 100:.2f}", f"{recall * 100:.1f} %", f"{lost * 100:.3f}",
                f"{most * 100:.3f}", f"{spread:.2f}",
            )  # fmt: skip
    Console().print(page)


if __name__ == "__main__":
    main()
