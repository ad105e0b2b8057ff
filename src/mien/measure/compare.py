"""Two systems on the same pictures: is one better, or was it luck?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.measure.bootstrap import DRAWS, Array, Statistic, estimate
from mien.measure.metrics import LABEL_METRICS, Metric, classification
from mien.measure.predictions import Predictions
from mien.measure.readers import common_rows
from mien.measure.votes import VOTE_METRICS, agreement


@dataclass(frozen=True, slots=True)
class McNemar:
    """Discordant pictures and the two-sided p of a fair coin between them."""

    only_first: int
    only_second: int
    p_exact: float
    p_mid: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """McNemar's test on paired answers.

    Args:
        first: (N,) which answers of the first system are right.
        second: (N,) of the second, on the same pictures.

    Returns:
        The exact binomial p and the mid-p (less conservative; Fagerland et al. 2013).
    """
    from scipy.stats import binom

    only_first = int((first & ~second).sum())
    only_second = int((second & ~first).sum())
    n, fewer = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return McNemar(0, 0, 1.0, 1.0)
    tail = 2 * float(binom.cdf(fewer, n, 0.5))
    at = float(binom.pmf(fewer, n, 0.5))
    # With equal counts the two tails share the middle, of which a mid-p takes half.
    mid = 1 - at / 2 if only_first == only_second else tail - at
    return McNemar(only_first, only_second, min(1.0, tail), min(1.0, mid))


def align(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    """Both tables on the pictures they share, with the truth of whichever knows it.

    Raises:
        ValueError: no picture is common, or neither table has labels or votes.
    """
    rows_a, rows_b = common_rows(a.id, b.id)
    if not len(rows_a):
        raise ValueError(
            f"{a.system} and {b.system} have no picture in common: ids such as "
            f"{str(a.id[0])!r} against {str(b.id[0])!r}"
        )
    a, b = a.take(rows_a), b.take(rows_b)
    if a.known.any() and b.known.any():
        differ = a.known & b.known & (a.y != b.y)
        if differ.any():
            raise ValueError(
                f"{a.system} and {b.system} give different labels to {int(differ.sum())} "
                f"pictures, such as {str(a.id[differ][0])!r}; evaluate both on the same data"
            )
    if not (a.known | b.known | a.has_votes | b.has_votes).any():
        raise ValueError("neither side holds labels or votes; add the data folder")
    truth: dict[str, Any] = {
        "y": np.where(a.known, a.y, b.y),
        "counts": a.counts if a.counts is not None else b.counts,
        "group": a.group if a.group is not None else b.group,
        "leaked": a.leaked if a.leaked is not None else b.leaked,
    }
    return replace(a, **truth), replace(b, **truth)


def compare(
    a: Predictions, b: Predictions, *, head: str = "label", draws: int = DRAWS, seed: int = 0
) -> dict[str, Any]:
    """The second system against the first on the pictures that both scored.

    Args:
        a: the first system, the baseline.
        b: the second.
        head: ``label`` or ``votes``, for what is measured against labels.
        draws: paired bootstrap resamples, of groups where there are any.
        seed: of the resampling.

    Returns:
        ``n``, ``systems``, ``mcnemar`` (labels; None without), and ``metrics``: for each the value
        of both and their ``difference`` (second - first) as ``{value, low, high}``.

    Raises:
        ValueError: nothing in common, or nothing to measure against.
    """
    a, b = align(a, b)
    result: dict[str, Any] = {
        "systems": [a.system, b.system],
        "split": a.split or b.split,
        "n": len(a),
        "head": head,
        "mcnemar": None,
        "metrics": {},
    }
    known, voted = a.known, a.has_votes
    if known.any():
        one, two = a.take(known), b.take(known)
        scores = one.scores(head), two.scores(head)
        right = [s.argmax(axis=1) == one.y for s in scores]
        result["mcnemar"] = asdict(mcnemar(right[0], right[1]))
        pair = [classification(one.y, s) for s in scores]
        named = one.names_only or two.names_only
        metrics = [m for m in LABEL_METRICS if not (named and m.needs_scores)]
        result["metrics"] |= _paired(pair, metrics, one, draws, seed)
    if voted.any():
        one, two = a.take(voted), b.take(voted)
        assert one.counts is not None
        pair = [agreement(one.counts, t.full_ballot) for t in (one, two)]
        result["metrics"] |= _paired(pair, VOTE_METRICS, one, draws, seed)
    return result


def _paired(
    pair: list[Statistic], metrics: Sequence[Metric], table: Predictions, draws: int, seed: int
) -> dict[str, Any]:
    def statistic(w: Array) -> dict[str, Array]:
        first, second = (s(w) for s in pair)
        found = {}
        for name in (metric.key for metric in metrics):
            found[f"first/{name}"], found[f"second/{name}"] = first[name], second[name]
            with np.errstate(invalid="ignore"):
                found[f"difference/{name}"] = second[name] - first[name]
        return found

    estimates = estimate(statistic, len(table), group=table.group, draws=draws, seed=seed)
    parts = ("first", "second", "difference")
    return {
        metric.key: {part: estimates[f"{part}/{metric.key}"].to_dict() for part in parts}
        for metric in metrics
    }


def better(difference: dict[str, float | None], metric: Metric) -> str:
    """``first`` or ``second`` where the interval of their difference leaves no doubt; else none."""
    low, high = difference["low"], difference["high"]
    if low is None or high is None or low <= 0 <= high:
        return ""
    return "second" if (low > 0) == metric.higher_is_better else "first"
