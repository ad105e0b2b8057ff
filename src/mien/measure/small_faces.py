"""Calibration where detail lacks: fitted to pictures and harder copies, and what it changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from mien.emotions import BALLOT, BALLOT_INDEX, EMOTIONS, votes_from_ballot
from mien.measure import folds
from mien.measure.calibrate import Calibration, Flattening, fit
from mien.measure.detail import KNOTS, Array, lacking, to_unknown
from mien.measure.metrics import TINY
from mien.measure.predictions import Predictions
from mien.measure.votes import shares
from mien.mix import Mix

MIXED, EVEN = 2.0, 10.0
"""Weights of the mix's cross-entropy, and of the distance between confidence and accuracy."""
PULL = 1e-3
"""Weight of the squared parameters beside the loss of a picture."""
STEEPEST, FURTHEST = 20.0, 20.0
"""Bounds of slopes and of the logits that scores are drawn towards."""


@dataclass(frozen=True)
class Copy:
    """Scores of pictures as they are, or of harder copies of them.

    ``side`` of the face that they show, pixels; ``table`` with labels and votes; (N,) ``detail``.
    """

    side: int
    table: Predictions
    detail: Array

    def take(self, rows: NDArray[np.bool_]) -> Copy:
        """The chosen rows."""
        return Copy(self.side, self.table.take(rows), self.detail[rows])


@dataclass(frozen=True)
class Change:
    """Faces of ``side`` pixels: accuracy and mean confidence (0 to 1), as delivered and fitted.

    Of ``expression``, the reading shown first, against the labels.
    """

    side: int
    blurred: bool
    accuracy: float
    confidence: float
    fitted_accuracy: float
    fitted_confidence: float


def fit_all(
    copies: Sequence[Copy], mix: Mix, *, heads: Collection[str] = ("label", "votes")
) -> Calibration:
    """A calibration with regard to detail.

    Least sum of the cross-entropies of label, ballot and ``MIXED`` times the mix, and of ``EVEN``
    times the squared distance of mean confidence from accuracy, of label and mix on each copy.
    Cross-entropy alone would leave the mix of two calibrated heads less sure than it is right.

    Args:
        copies: the pictures as they are, then harder copies of them.
        mix: how ``expression`` is made of both heads.
        heads: what is calibrated on the first as well; the others' scores stay as they are there.
    """
    plain = fit(copies[0].table, heads=heads)
    task = _Task.of(copies, plain, mix)
    options = len(KNOTS) + len(EMOTIONS), len(KNOTS) + len(BALLOT)
    bounds = [
        bound
        for count in options
        for bound in [(0.0, STEEPEST)] * len(KNOTS) + [(-FURTHEST, FURTHEST)] * (count - len(KNOTS))
    ]
    found = minimize(task.loss, np.zeros(sum(options)), jac=True, method="L-BFGS-B", bounds=bounds)
    label, ballot = (
        Flattening(tuple(part[: len(KNOTS)].tolist()), tuple(part[len(KNOTS) :].tolist()))
        for part in np.split(np.round(found.x, 4), [options[0]])
    )
    return replace(plain, label_detail=label, ballot_detail=ballot)


@dataclass(frozen=True)
class _Task:
    """What ``fit_all`` minimises: (C, N, ...) arrays of C copies of N pictures.

    ``logits`` and ``targets`` of label and ballot; targets of a picture without a label, or without
    votes, are 0.
    """

    logits: tuple[Array, Array]
    targets: tuple[Array, Array]
    lacking: Array
    mix: Mix

    @classmethod
    def of(cls, copies: Sequence[Copy], plain: Calibration, mix: Mix) -> _Task:
        """From scores before calibration."""
        table = copies[0].table
        scores = [plain.plain(c.table.label, c.table.full_ballot) for c in copies]
        label = np.eye(len(EMOTIONS))[np.maximum(table.y, 0)] * table.known[:, None]
        people = np.zeros((len(table), len(BALLOT)))
        if table.counts is not None:
            people[table.has_votes] = shares(table.counts[table.has_votes])
        ballot = np.stack([to_unknown(people, c.side) for c in copies]) * table.has_votes[:, None]
        logits = [np.log(np.maximum(np.stack(each), TINY)) for each in zip(*scores, strict=True)]
        return cls(
            (logits[0], logits[1]),
            (np.stack([label] * len(copies)), ballot),
            np.stack([lacking(c.detail) for c in copies]),
            mix,
        )

    def loss(self, values: Array) -> tuple[float, Array]:
        """The loss of a picture in the mean over all copies, and its gradient."""
        parts = np.split(values, np.cumsum([len(KNOTS), len(EMOTIONS), len(KNOTS)]))
        given = [(parts[0], parts[1]), (parts[2], parts[3])]
        factors = [np.exp(-self.lacking @ slopes)[..., None] for slopes, _ in given]
        drawn = [
            factor * logits + (1 - factor) * towards
            for factor, logits, (_, towards) in zip(factors, self.logits, given, strict=True)
        ]
        share, seven = self.mix.share, list(BALLOT_INDEX)
        mixed = share * drawn[0] + (1 - share) * drawn[1][..., seven]
        mixed += np.asarray(self.mix.offsets)
        label, ballot = self.targets
        total, by_label = _cross_entropy(drawn[0], label)
        more, by_ballot = _cross_entropy(drawn[1], ballot)
        rest, by_mix = _cross_entropy(mixed, label, weight=MIXED)
        for logits, by in ((drawn[0], by_label), (mixed, by_mix)):
            total += _uneven(logits, label, by)
        by_label += share * by_mix
        by_ballot[..., seven] += (1 - share) * by_mix
        gradient = []
        for by, factor, logits, (_, towards) in zip(
            (by_label, by_ballot), factors, self.logits, given, strict=True
        ):
            by_factor = (by * (logits - towards)).sum(axis=-1, keepdims=True) * factor
            gradient.append(-(self.lacking * by_factor).sum(axis=(0, 1)))
            gradient.append((by * (1 - factor)).sum(axis=(0, 1)))
        count = label.shape[0] * label.shape[1]
        mean = (total + more + rest) / count + PULL * float(values @ values)
        return mean, np.concatenate(gradient) / count + 2 * PULL * values


def _cross_entropy(logits: Array, target: Array, *, weight: float = 1.0) -> tuple[float, Array]:
    """Its sum over (C, N, K), and its derivative."""
    mass = target.sum(axis=-1, keepdims=True)
    norm = logsumexp(logits, axis=-1, keepdims=True)
    by = weight * (mass * np.exp(logits - norm) - target)
    return weight * float((mass * norm).sum() - (target * logits).sum()), by


def _uneven(logits: Array, target: Array, by: Array) -> float:
    """Adds to a loss, and to its derivative ``by``, how far confidence is from accuracy.

    Accuracy counts as constant: it only jumps.
    """
    known = target.sum(axis=-1) > 0
    count = int(known[0].sum())
    if not count:
        return 0.0
    shares = softmax(logits, axis=-1)
    best = shares.argmax(axis=-1)[..., None]
    confidence = np.take_along_axis(shares, best, -1) * known[..., None]
    right = np.take_along_axis(target, best, -1)
    apart = (confidence - right).sum(axis=1, keepdims=True) / count
    slope = -shares * confidence
    np.put_along_axis(slope, best, np.take_along_axis(slope, best, -1) + confidence, -1)
    weight = EVEN * known.size
    by += weight * 2 * apart * slope / count
    return float(weight * (apart**2).sum())


def changes(
    copies: Sequence[Copy],
    mix: Mix,
    *,
    heads: Collection[str] = ("label", "votes"),
    seed: int = 0,
) -> list[Change]:
    """What ``fit_all`` changes, cross-validated in five grouped folds; needs labels."""
    copies = [c.take(copies[0].table.known) for c in copies]
    table = copies[0].table
    fold = folds.grouped(len(table), group=table.group, seed=seed)
    fitted = [np.empty_like(c.table.label) for c in copies]
    for number in np.unique(fold):
        held = fold == number
        found = fit_all([c.take(~held) for c in copies], mix, heads=heads)
        for scores, copy in zip(fitted, copies, strict=True):
            part = copy.take(held)
            label, ballot = found.apply(part.table.label, part.table.full_ballot, part.detail)
            scores[held] = mix.apply(label, votes_from_ballot(ballot)[0])
    told = []
    for number, (copy, scores) in enumerate(zip(copies, fitted, strict=True)):
        before = mix.apply(copy.table.label, votes_from_ballot(copy.table.full_ballot)[0])
        both = [_accuracy_and_confidence(each, table.y) for each in (before, scores)]
        blurred = number > 0 and copy.side == copies[0].side
        told.append(Change(copy.side, blurred, *both[0], *both[1]))
    return told


def better(found: Sequence[Change]) -> bool:
    """Whether confidence comes closer to accuracy, in the mean of all copies."""
    before = sum(abs(c.confidence - c.accuracy) for c in found)
    return sum(abs(c.fitted_confidence - c.fitted_accuracy) for c in found) < before


def _accuracy_and_confidence(scores: Array, labels: NDArray[np.integer]) -> tuple[float, float]:
    return float((scores.argmax(axis=1) == labels).mean()), float(scores.max(axis=1).mean())
