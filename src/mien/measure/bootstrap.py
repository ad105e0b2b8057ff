"""95 % intervals by resampling.

Every statistic is a function of row weights, so all the draws are a few matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], dict[str, Array]]
"""Row weights (B, N) in, one value a draw (B,) for each name out."""

LEVEL = 0.95
DRAWS = 1000
_CELLS = 4_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Plain JSON; what is not a finite number becomes None."""
        pairs = (("value", self.value), ("low", self.low), ("high", self.high))
        return {k: finite(round(v, 6)) for k, v in pairs}


def finite(value: float) -> float | None:
    """The value for JSON, which knows no infinity: None in its place."""
    return value if np.isfinite(value) else None


def weights(
    n: int, *, group: NDArray[np.int64] | None = None, draws: int = DRAWS, seed: int = 0
) -> Iterator[Array]:
    """Bootstrap weights of N rows, in blocks (B, N): how often each draw holds each row.

    Args:
        n: number of rows.
        group: (N,) rows that come and go together, such as copies of one picture; None for rows
            that are independent.
        draws: number of resamples in all.
        seed: of the generator.
    """
    rng = np.random.default_rng(seed)
    unit = np.arange(n) if group is None else np.unique(group, return_inverse=True)[1]
    units = int(unit.max()) + 1
    block = max(1, _CELLS // max(n, 1))
    for start in range(0, draws, block):
        size = min(block, draws - start)
        picks = rng.integers(0, units, (size, units)) + np.arange(size)[:, None] * units
        times = np.bincount(picks.ravel(), minlength=size * units).reshape(size, units)
        yield times[:, unit].astype(np.float64)


def draw(
    statistic: Statistic,
    n: int,
    *,
    group: NDArray[np.int64] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Array]:
    """The statistic on each resample: name → (draws,)."""
    blocks = [statistic(w) for w in weights(n, group=group, draws=draws, seed=seed)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def estimate(
    statistic: Statistic,
    n: int,
    *,
    group: NDArray[np.int64] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Estimate]:
    """The statistic on all rows with percentile intervals over resamples (of groups, if given)."""
    whole = statistic(np.ones((1, n)))
    resampled = draw(statistic, n, group=group, draws=draws, seed=seed)
    return {name: interval(float(whole[name][0]), resampled[name]) for name in whole}


def interval(value: float, resampled: Array) -> Estimate:
    """The middle 95 % of the resampled values; draws that have no value are left out."""
    valid = resampled[~np.isnan(resampled)]
    if not len(valid):
        return Estimate(value, np.nan, np.nan)
    tail = (1 - LEVEL) / 2
    # "nearest" does not interpolate, so that infinite draws stay harmless.
    low, high = np.quantile(valid, [tail, 1 - tail], method="nearest")
    return Estimate(value, float(low), float(high))


def mean(values: NDArray[np.generic], w: Array) -> Array:
    """Weighted means: values (N,) or (N, K), weights (B, N) → (B,) or (B, K)."""
    total = w.sum(axis=1)
    total = np.where(total > 0, total, np.nan)
    sums = w @ np.asarray(values, np.float64)
    return np.asarray(sums / (total if sums.ndim == 1 else total[:, None]))
