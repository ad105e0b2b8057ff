"""Calibrate scores: of those of 70 %, 70 % are right.

One temperature for ``label``; vector scaling for ``ballot``, whose voters may be other people than
those it was learnt from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.measure import folds
from mien.measure.detail import KNOTS, lacking
from mien.measure.metrics import TINY
from mien.measure.predictions import Predictions
from mien.measure.votes import shares

Array = NDArray[np.float64]
LOWEST, HIGHEST = 0.05, 20.0
PULL = 10.0
"""How many pictures' cross-entropy weighs as much as a scaling's squared distance from a plain
temperature. On fewer than some two hundred pictures hardly more than a temperature is left.
"""


def sharpen(scores: Array, temperature: float) -> Array:
    """Softmax of the scores' logarithms over a temperature; above 1 flattens, below 1 sharpens.

    The logarithms of probabilities are logits up to a constant a row, so this equals dividing the
    network's own logits.
    """
    return rescale(scores, 1 / temperature, 0.0)


def rescale(scores: Array, scale: ArrayLike, offset: ArrayLike) -> Array:
    """Softmax of (N, K) scores' logarithms by a factor and with an offset.

    Each of both is one number, one an option (K,), or one a row (N, 1) and its offsets (N, K).

    All that calibration does to scores; ``train.ship.recalibrate.append`` writes it into a graph.
    """
    logits = np.log(np.maximum(scores, TINY)) * np.asarray(scale) + np.asarray(offset)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def fit_temperature(logits: Array, target: NDArray[np.generic]) -> float:
    """The temperature of least cross-entropy (Guo et al. 2017).

    Args:
        logits: (N, K) logits or log-probabilities, before any temperature.
        target: (N,) class index, or (N, K) shares such as vote shares.

    Returns:
        The temperature to divide the logits by, between 0.05 and 20.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    share = np.eye(logits.shape[1])[target] if target.ndim == 1 else np.asarray(target, np.float64)
    logits = np.asarray(logits, np.float64)

    def loss(log_temperature: float) -> float:
        cold = logits / np.exp(log_temperature)
        return float((logsumexp(cold, axis=1) - (share * cold).sum(axis=1)).mean())

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Scaling:
    """A factor and an offset for each of K options' log-probabilities, before a softmax."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def apply(self, scores: Array) -> Array:
        """Calibrated (N, K) shares of (N, K) shares."""
        return rescale(scores, self.scale, self.offset)

    def to_dict(self) -> dict[str, list[float]]:
        """Rounded for a card."""
        return {
            "scale": [round(value, 4) for value in self.scale],
            "offset": [round(value, 4) for value in self.offset],
        }


def fit_scaling(scores: Array, target: Array) -> Scaling:
    """Vector scaling of least cross-entropy (Guo et al. 2017), drawn towards a plain temperature.

    It undoes what a temperature cannot: other voters who name one option more often, another less.

    Args:
        scores: (N, K) probabilities.
        target: (N, K) vote shares.
    """
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    logits = np.log(np.maximum(scores, TINY))
    n, options = logits.shape

    def loss(values: Array) -> tuple[float, Array]:
        offset, spread, shared = values[:options], values[options:-1], values[-1]
        scale = np.exp(shared + spread)
        scaled = logits * scale + offset
        total = logsumexp(scaled, axis=1, keepdims=True)
        error = np.exp(scaled - total) - target
        by_scale = (error * logits).sum(axis=0) * scale
        pull = PULL * (values[:-1] ** 2).sum()
        slope = np.concatenate(
            [
                error.sum(axis=0) + 2 * PULL * offset,
                by_scale + 2 * PULL * spread,
                by_scale.sum(keepdims=True),
            ]
        )
        return float((total[:, 0] - (target * scaled).sum(axis=1)).sum() + pull) / n, slope / n

    found = minimize(loss, np.zeros(2 * options + 1), jac=True, method="L-BFGS-B").x
    scale = np.exp(found[-1] + found[options:-1])
    return Scaling(tuple(scale.tolist()), tuple(found[:options].tolist()))


def cross_fitted(
    scores: Array,
    target: NDArray[np.generic],
    *,
    group: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> tuple[Array, list[float]]:
    """Scores at a temperature that their own fold did not help to fit, and the five temperatures.

    Args:
        scores: (N, K) probabilities.
        target: (N,) class index or (N, K) shares.
        group: (N,) rows that must share a fold.
        seed: of the fold assignment.
    """
    logits = np.log(np.maximum(scores, TINY))
    return folds.cross_fit(
        lambda rows: fit_temperature(logits[rows], target[rows]),
        lambda temperature, rows: sharpen(scores[rows], temperature),
        folds.grouped(len(scores), group=group, seed=seed),
    )


def cross_scaled(
    scores: Array, target: Array, *, group: NDArray[np.int64] | None = None, seed: int = 0
) -> tuple[Array, list[Scaling]]:
    """As ``cross_fitted``, by vector scaling to (N, K) shares."""
    return folds.cross_fit(
        lambda rows: fit_scaling(scores[rows], target[rows]),
        lambda scaling, rows: scaling.apply(scores[rows]),
        folds.grouped(len(scores), group=group, seed=seed),
    )


@dataclass(frozen=True)
class Flattening:
    """Draws K logits towards constants where detail lacks.

    With factor = exp(-sum of ``slopes`` * what lacks below each of ``KNOTS``), logits become
    factor * logits + (1 - factor) * ``towards``.
    """

    slopes: tuple[float, ...]
    towards: tuple[float, ...]

    def apply(self, scores: Array, fineness: Array) -> Array:
        """(N, K) shares of (N, K) shares, of crops with (N,) ``detail``."""
        factor = np.exp(-lacking(fineness) @ np.asarray(self.slopes))[:, None]
        return rescale(scores, factor, (1 - factor) * np.asarray(self.towards))

    def to_dict(self) -> dict[str, list[float]]:
        """For a card."""
        return {"slopes": list(self.slopes), "towards": list(self.towards)}


@dataclass(frozen=True)
class Calibration:
    """What is done to scores inside a graph; nothing unless given.

    ``label_detail`` and ``ballot_detail`` flatten what the others give, where crops lack detail.
    """

    label_temperature: float = 1.0
    ballot_scaling: Scaling | None = None
    fitted_on: str = ""
    label_detail: Flattening | None = None
    ballot_detail: Flattening | None = None

    def plain(self, label: Array, ballot: Array) -> tuple[Array, Array]:
        """(N, 7) and (N, 10) shares without regard to detail."""
        scaling = self.ballot_scaling
        return (
            sharpen(label, self.label_temperature),
            ballot if scaling is None else scaling.apply(ballot),
        )

    def apply(self, label: Array, ballot: Array, fineness: Array) -> tuple[Array, Array]:
        """(N, 7) and (N, 10) shares of crops with (N,) ``detail``."""
        label, ballot = self.plain(label, ballot)
        if self.label_detail is not None:
            label = self.label_detail.apply(label, fineness)
        if self.ballot_detail is not None:
            ballot = self.ballot_detail.apply(ballot, fineness)
        return label, ballot

    def to_dict(self) -> dict[str, Any]:
        """For a card; empty where nothing is done."""
        if not self.fitted_on:
            return {}
        told: dict[str, Any] = {
            "fitted_on": self.fitted_on, "label_temperature": self.label_temperature,
        }  # fmt: skip
        if self.ballot_scaling is not None:
            told["ballot"] = self.ballot_scaling.to_dict()
        flat = {"label": self.label_detail, "ballot": self.ballot_detail}
        if any(flat.values()):
            drawn = {head: each.to_dict() for head, each in flat.items() if each is not None}
            told["detail"] = {"knots": list(KNOTS), **drawn}
        return told


def gains(found: Mapping[str, Any]) -> dict[str, bool]:
    """Which heads of ``evaluate.calibration`` a cross-validated calibration improves.

    ``label`` by its negative log-likelihood, ``votes`` by its cross-entropy to vote shares, as far
    as four decimals show.
    """
    better = {}
    if "label" in found:
        before, after = (found["label"][when]["nll"] for when in ("before", "after"))
        better["label"] = round(after, 4) < round(before, 4)
    if "votes" in found:
        before, after = (
            found["votes"][when]["all"]["cross_entropy"]["value"] for when in ("before", "after")
        )
        better["votes"] = round(after, 4) < round(before, 4)
    return better


def pictures(split: str, n: int) -> str:
    """How ``fitted_on`` names the pictures of a table."""
    return f"{split or 'pictures'} ({n:,})"


def fit(table: Predictions, *, heads: Collection[str] = ("label", "votes")) -> Calibration:
    """Label's temperature by likelihood, the ballot's scaling by cross-entropy to vote shares.

    What the table holds no truth for, and what is not among ``heads``, is left as it is.
    """
    known, voted = table.known, table.has_votes
    temperature = 1.0
    if known.any() and "label" in heads:
        label = np.log(np.maximum(table.label[known], TINY))
        temperature = round(fit_temperature(label, table.y[known]), 4)
    told = pictures(table.split, len(table))
    if "votes" not in heads or table.ballot is None or table.counts is None or not voted.any():
        return Calibration(temperature, fitted_on=told)
    scaling = fit_scaling(table.ballot[voted], shares(table.counts[voted]))
    return Calibration(temperature, scaling, told)
