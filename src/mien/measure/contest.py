"""Which way of joining systems is best, with no choice scored on the pictures that made it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from mien.measure import folds
from mien.measure.bootstrap import DRAWS, Array, estimate, mean
from mien.measure.compare import mcnemar
from mien.measure.ensemble import METHODS, Stack, soft_vote
from mien.measure.metrics import nll


def honest(members: Stack, *, draws: int = DRAWS, seed: int = 0) -> list[dict[str, Any]]:
    """Compare the methods with every choice made on other folds than it is scored on.

    Args:
        members: with known labels.
        draws: bootstrap resamples, of groups where there are any.
        seed: of folds and resampling.

    Returns:
        For each of ``METHODS``: ``method``, cross-validated ``accuracy`` and ``nll`` as
        ``{value, low, high}``, and against the best member (itself chosen on the other folds)
        ``gain`` in accuracy with its interval and ``mcnemar``; ``weights`` on all pictures.

    Raises:
        ValueError: no label is known.
    """
    if not (members.y >= 0).any():
        raise ValueError("no picture has a label, so the methods cannot be compared")
    whole = members
    members = members.take(members.y >= 0)
    n = len(members.y)
    fold = folds.grouped(n, group=members.group, seed=seed)

    def scores_of(method: Callable[[Stack], Array]) -> Array:
        return folds.cross_fit(
            lambda rows: method(members.take(rows)),
            lambda weights, rows: soft_vote(members.label[:, rows], weights),
            fold,
        )[0]

    scores = {name: scores_of(method) for name, method in METHODS.items()}
    right = {name: s.argmax(axis=1) == members.y for name, s in scores.items()}
    base = right["best member"]
    found = []
    for name, method in METHODS.items():
        loss = nll(members.y, scores[name])
        columns = np.stack([right[name], loss, right[name] * 1.0 - base], axis=1)

        def statistic(w: Array, columns: Array = columns) -> dict[str, Array]:
            return dict(zip(("accuracy", "nll", "gain"), mean(columns, w).T, strict=True))

        figures = estimate(statistic, n, group=members.group, draws=draws, seed=seed)
        weights = method(whole)
        found.append(
            {
                "method": name,
                **{key: value.to_dict() for key, value in figures.items()},
                "mcnemar": asdict(mcnemar(base, right[name])),
                "weights": dict(zip(members.systems, map(float, weights), strict=True)),
            }
        )
    return found
