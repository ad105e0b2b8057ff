"""What each way of helping rare emotions does to disgust's recall and to accuracy.

    python -m benchmarks.imbalance recipes/small.toml data/fer2013

Trains the recipe on five grouped folds of Training once a way (each fold is a run of its own: stop
and go on as you like) and prints a table with 95 % intervals over resampled groups of copies, as
differences from the plain recipe on the same pictures where they are paired.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mien.cli.progress import Bar
from mien.cli.train import keep_pages
from mien.data.dataset import load
from mien.emotions import Emotion
from mien.measure import logit_adjust
from mien.measure.bootstrap import Array, Estimate, estimate, mean
from mien.measure.predictions import Predictions

WAYS = {
    "plain": {},
    "class weights, power 0.5": {"balance.weights": 0.5},
    "class weights, power 1": {"balance.weights": 1.0},
    "balanced sampling, power 0.5": {"balance.sampling": 0.5},
    "stronger changes for rare ones": {"balance.augment": 1.0},
}
ADJUSTED = "plain, logits adjusted after training"


def figures(table: Predictions, scores: Array, base: Array) -> dict[str, Estimate]:
    """Accuracy, disgust's recall, and both as differences from ``base``'s right answers."""
    right = (scores.argmax(axis=1) == table.y).astype(np.float64)
    mine = table.y == Emotion.DISGUST.position

    def statistic(w: Array) -> dict[str, Array]:
        return {
            "accuracy": mean(right, w),
            "recall": mean(right, w * mine),
            "accuracy gained": mean(right - base, w),
            "recall gained": mean(right - base, w * mine),
        }

    return estimate(statistic, len(table), group=table.group)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS)[1:], default=list(WAYS)[1:])
    parser.add_argument("overrides", nargs="*", help="key=value")
    arguments = parser.parse_args()
    keep_pages()
    from rich.console import Console

    from mien.train.cross_validation import fit_folds
    from mien.train.recipe import load as load_recipe
    from mien.train.recipe import vary
    from mien.train.run import runs_folder

    recipe = load_recipe(arguments.recipe, arguments.overrides)
    data = load(arguments.data).of("train")
    bar = Bar(Console(stderr=True))
    columns = ("accuracy", "recall", "accuracy gained", "recall gained")
    print("| way | " + " | ".join(columns) + " |\n" + "| --- " * (len(columns) + 1) + "|")

    def show(way: str, table: Predictions, scores: Array, base: Array) -> None:
        found = figures(table, scores, base)
        cells = [
            f"{100 * f.value:.1f} ({100 * f.low:.1f} to {100 * f.high:.1f})"
            for f in (found[column] for column in columns)
        ]
        print(f"| {way} | " + " | ".join(cells) + " |", flush=True)

    base = np.zeros(0)
    for way in ("plain", *arguments.ways):
        name = f"{recipe.name}-{way.replace(', ', '-').replace(' ', '-')}"
        changed = vary(recipe, {**WAYS[way], "name": name})
        table = fit_folds(changed, data, runs_folder() / name, folds=arguments.folds, watch=bar)
        if way == "plain":
            base = (table.label.argmax(axis=1) == table.y).astype(np.float64)
        show(way, table, table.label, base)
        if way == "plain":
            adjusted, _ = logit_adjust.cross_fitted(table.y, table.label, group=table.group)
            show(ADJUSTED, table, adjusted, base)
    bar.close()


if __name__ == "__main__":
    main()
