"""Which share of label and votes makes ``expression``: a table on held-out pictures, and fits.

    python -m benchmarks.expression HELD.npz [--crops CROPS.npz] [--model default]

HELD.npz: a ``predictions.npz`` with votes, of a model on a grouped tenth of Training that it has
not seen, uncalibrated. Its heads are calibrated as ``mien export --calibrate`` does, and every row
by the folds that do not hold it. A fitted mix is cross-validated too. CROPS.npz checks the shipped
model on real faces: ``x`` uint8 (N, 48, 48), ``y`` (N,) in the order of the emotions, ``set`` (N,).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from mien.emotions import BALLOT_INDEX, EMOTIONS, votes_from_ballot
from mien.infer.model import load
from mien.measure import calibrate, folds
from mien.measure.bootstrap import Array
from mien.measure.predictions import Predictions
from mien.measure.votes import majority
from mien.mix import TINY, Mix

SHARES = (0.0, 0.35, 0.5, 1.0)
SHARPNESS = 3.0  # of the softmax that stands for the highest score in a fit
PULL = 0.003  # a squared nat of offset costs so much of the mean accuracy
DRAWS = 1000


def of_seven(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) FER+ majority among the seven emotions; -1 where there is none, or it is contempt."""
    place = np.full(len(counts[0]) + 1, -1)
    place[list(BALLOT_INDEX)] = np.arange(len(EMOTIONS))
    return place[majority(counts.clip(min=0))]


def calibrated(table: Predictions, fold: NDArray[np.int64]) -> tuple[Array, Array]:
    """(N, 7) label and votes, each row calibrated on the other folds."""
    label, votes = np.empty_like(table.label), np.empty_like(table.label)
    for number in np.unique(fold):
        out = fold == number
        fitted = calibrate.fit(table.take(~out))
        label[out] = calibrate.sharpen(table.label[out], fitted.label_temperature)
        if fitted.ballot_scaling is None:
            raise ValueError("no votes in the predictions; the mix needs a table with counts")
        votes[out] = votes_from_ballot(fitted.ballot_scaling.apply(table.full_ballot[out]))[0]
    return label, votes


def fit(label: Array, votes: Array, y: Array, seen: Array, *, offsets: bool) -> Mix:
    """The mix of highest mean accuracy against labels ``y`` and majorities ``seen`` (-1: none).

    Counting right answers has no slope, so a sharp softmax stands for the highest score.
    """
    logs = np.log(np.maximum(label, TINY)), np.log(np.maximum(votes, TINY))
    clear = seen >= 0

    def loss(values: Array) -> float:
        z = values[0] * logs[0] + (1 - values[0]) * logs[1] + values[1:]
        odds = np.exp(SHARPNESS * (z - z.max(axis=1, keepdims=True)))
        odds /= odds.sum(axis=1, keepdims=True)
        by_label = odds[np.arange(len(y)), y].mean()
        by_votes = odds[clear][np.arange(clear.sum()), seen[clear]].mean()
        return float(PULL * (values[1:] ** 2).sum() - (by_label + by_votes) / 2)

    width = 2.0 if offsets else 0.0
    found = minimize(
        loss, np.r_[0.5, np.zeros(len(EMOTIONS))], method="L-BFGS-B",
        bounds=[(0, 1)] + [(-width, width)] * len(EMOTIONS),
    ).x  # fmt: skip
    return Mix(float(found[0]), tuple((found[1:] - found[1:].mean()).tolist()))


class Judge:
    """Right answers by label and by majority, and intervals by resampling groups of copies."""

    def __init__(self, y: Array, seen: Array, group: NDArray[np.int64]) -> None:
        self.y, self.seen = y, seen
        unit = np.unique(group, return_inverse=True)[1]
        rng = np.random.default_rng(0)
        units = int(unit.max()) + 1
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=DRAWS)
        self.weight = drawn[:, unit].astype(float)

    def means(self, scores: Array, weight: Array | None = None) -> tuple[Array, Array]:
        """Accuracy by label and by majority under each row of weights; plain without any."""
        w = np.ones((1, len(self.y))) if weight is None else weight
        best, clear = scores.argmax(axis=1), self.seen >= 0
        by_label = w @ (best == self.y) / w.sum(axis=1)
        by_votes = w[:, clear] @ (best == self.seen)[clear] / w[:, clear].sum(axis=1)
        return by_label, by_votes

    def row(self, scores: Array, reference: Array) -> list[str]:
        """Both accuracies, their mean, and its paired difference to a reference with its error."""
        by_label, by_votes = (float(value[0]) for value in self.means(scores))
        apart = [sum(self.means(s, self.weight)) / 2 for s in (scores, reference)]
        spread = float(np.std(apart[0] - apart[1]))
        other = sum(float(value[0]) for value in self.means(reference)) / 2
        mean = (by_label + by_votes) / 2
        cells = [f"{100 * value:.1f}" for value in (by_label, by_votes, mean)]
        return [*cells, f"{100 * (mean - other):+.2f} ± {100 * spread:.2f}"]


def on_crops(path: Path, bundle: str | None, mixes: Iterable[tuple[str, Mix]]) -> None:
    """Print accuracy and balanced accuracy of the shipped model's readings, by set."""
    from rich.console import Console
    from rich.table import Table

    with np.load(path) as given:
        x, y, kind = given["x"], given["y"], given["set"]
    scores = load(bundle).classify(x)
    sets = np.unique(kind).tolist()
    heads = [f"{name} ({(kind == name).sum()})" for name in sets]
    page = Table("reading", *heads, *(f"{name}, balanced" for name in sets), "mean of both kinds",
                 title=f"{path.name}, % right")  # fmt: skip
    for called, mix in mixes:
        best = mix.apply(scores.label, scores.votes).argmax(axis=1)
        plain, balanced = [], []
        for name in sets:
            truth, right = y[kind == name], (best == y)[kind == name]
            plain.append(right.mean())
            balanced.append(np.mean([right[truth == k].mean() for k in np.unique(truth)]))
        values = [*plain, *balanced, np.mean([*plain, *balanced])]
        page.add_row(called, *(f"{100 * value:.1f}" for value in values))
    Console().print(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("held", type=Path)
    parser.add_argument("--crops", type=Path)
    parser.add_argument("--model")
    given = parser.parse_args()
    from rich.console import Console
    from rich.table import Table

    table = Predictions.load(given.held)
    table = table.take(table.known & table.has_votes)
    if table.counts is None:
        raise SystemExit(f"{given.held}: holds no votes; give predictions with counts")
    y, seen = table.y, of_seven(table.counts)
    group = np.arange(len(table)) if table.group is None else table.group
    fold = folds.grouped(len(table), group=group)
    label, votes = calibrated(table, fold)
    judge = Judge(y, seen, group)
    plain = Mix().apply(label, votes)
    page = Table(
        "reading",
        "labels",
        "FER+ majority of seven",
        "mean",
        "mean against 0.5",
        title=f"{given.held.name}: {len(y):,} pictures, {(seen >= 0).sum():,} majorities",
    )
    mixes = [(f"share {share:g}", Mix(share)) for share in SHARES]
    for called, mix in mixes:
        page.add_row(called, *judge.row(mix.apply(label, votes), plain))
    for called, offsets in (("fitted share", False), ("fitted share and offsets", True)):

        def learn(rows: NDArray[np.bool_], offsets: bool = offsets) -> Mix:
            return fit(label[rows], votes[rows], y[rows], seen[rows], offsets=offsets)

        crossed, _ = folds.cross_fit(
            learn, lambda mix, rows: mix.apply(label[rows], votes[rows]), fold
        )
        whole = learn(np.ones(len(y), bool))
        page.add_row(f"{called}, cross-validated", *judge.row(crossed, plain))
        mixes.append((called, whole))
    Console().print(page)
    for called, mix in mixes[len(SHARES) :]:
        named = zip(EMOTIONS, mix.offsets, strict=True)
        offsets = ", ".join(f"{emotion} {value:+.2f}" for emotion, value in named)
        Console().print(f"{called}: share {mix.share:.2f}; offsets {offsets}")
    if given.crops:
        on_crops(given.crops, given.model, mixes)


if __name__ == "__main__":
    main()
