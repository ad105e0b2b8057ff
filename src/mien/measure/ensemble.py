"""Join several systems: soft vote, fitted weights, greedy selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.measure.bootstrap import Array
from mien.measure.metrics import TINY, nll
from mien.measure.predictions import Predictions
from mien.measure.votes import cross_entropy, shares

ROUNDS = 20


@dataclass(frozen=True)
class Stack:
    """M systems on the same N pictures.

    ``label`` (M, N, 7); ``ballot`` (M, N, 10) or None; ``y`` (N,), -1 unknown; ``votes`` (N, 10)
    vote shares, rows of NaN where nobody voted, or None; ``group`` (N,) or None.
    """

    systems: tuple[str, ...]
    label: Array
    ballot: Array | None
    y: NDArray[np.int64]
    votes: Array | None
    group: NDArray[np.int64] | None

    def take(self, rows: NDArray[np.bool_]) -> Stack:
        """The chosen pictures of every system."""
        return replace(
            self,
            label=self.label[:, rows],
            ballot=None if self.ballot is None else self.ballot[:, rows],
            y=self.y[rows],
            votes=None if self.votes is None else self.votes[rows],
            group=None if self.group is None else self.group[rows],
        )


def stack(tables: Sequence[Predictions]) -> Stack:
    """Lay prediction tables of one split on each other.

    Raises:
        ValueError: fewer than two tables, or they differ in pictures or labels.
    """
    if len(tables) < 2:
        raise ValueError("an ensemble needs at least two members")
    first = tables[0]
    for table in tables[1:]:
        if not np.array_equal(table.id, first.id) or not np.array_equal(table.y, first.y):
            raise ValueError(
                f"{table.system} and {first.system} differ in pictures or labels; "
                "evaluate all members on the same split of the same data"
            )
    votes = None
    if first.counts is not None and first.has_votes.any():
        votes = np.full(first.counts.shape, np.nan)
        votes[first.has_votes] = shares(first.counts[first.has_votes])
    ballots = [table.ballot for table in tables]
    names = tuple(table.system or f"member {i + 1}" for i, table in enumerate(tables))
    return Stack(
        systems=_distinct(names),
        label=np.stack([table.label for table in tables]),
        ballot=None if any(b is None for b in ballots) else np.stack(ballots),  # type: ignore[arg-type]
        y=first.y,
        votes=votes,
        group=first.group,
    )


def soft_vote(scores: Array, weights: Array) -> Array:
    """Weighted mean of probabilities: scores (M, N, K), weights (M,) that sum to 1 → (N, K)."""
    return np.asarray(np.tensordot(weights, scores, axes=1))


def loss(members: Stack, weights: Array) -> float:
    """What members are chosen by: label NLL plus the ballot's cross-entropy, in nats a picture."""
    known = members.y >= 0
    total = 0.0
    if known.any():
        mixed = soft_vote(members.label[:, known], weights)
        total += float(nll(members.y[known], mixed).mean())
    if members.votes is not None and members.ballot is not None:
        voted = ~np.isnan(members.votes[:, 0])
        if voted.any():
            mixed = soft_vote(members.ballot[:, voted], weights)
            total += float(cross_entropy(members.votes[voted], mixed).mean())
    return total


def best_member(members: Stack) -> Array:
    """All the weight on the member of least loss."""
    m = len(members.systems)
    return np.asarray(np.eye(m)[int(np.argmin([loss(members, w) for w in np.eye(m)]))])


def equal(members: Stack) -> Array:
    """The same weight for every member."""
    m = len(members.systems)
    return np.full(m, 1 / m)


def fitted(members: Stack, *, steps: int = 300) -> Array:
    """Weights on the simplex that minimise the loss, by expectation maximisation.

    The loss is convex in the weights, so there is one minimum.
    """
    parts: list[tuple[Array, Array]] = []
    rows = np.flatnonzero(members.y >= 0)
    if len(rows):
        parts.append((members.label[:, rows, members.y[rows]], np.ones(len(rows)) / len(rows)))
    if members.votes is not None and members.ballot is not None:
        voted = ~np.isnan(members.votes[:, 0])
        target = members.votes[voted]
        flat = members.ballot[:, voted].reshape(len(members.systems), -1)
        parts.append((flat, target.ravel() / max(1, len(target))))
    # EM for mixture weights: each step multiplies a weight by its mean responsibility.
    weights = equal(members)
    for _ in range(steps):
        share = np.zeros(len(weights))
        for scores, mass in parts:
            share += (scores * (mass / np.maximum(weights @ scores, TINY))).sum(axis=1)
        moved = weights * share
        moved /= moved.sum()
        if np.abs(moved - weights).max() < 1e-7:
            break
        weights = moved
    return weights


def greedy(members: Stack, *, rounds: int = ROUNDS) -> Array:
    """Add the member that helps most, again and again, with repeats (Caruana et al. 2004).

    Weights are the shares of the picks, after the round that had the least loss: early picks move
    shares so far that a round without gain may come before rounds with one.
    """
    each, lowest = np.eye(len(members.systems)), np.inf
    picks = best = np.zeros(len(each))
    for number in range(1, rounds + 1):
        losses = [loss(members, (picks + one) / number) for one in each]
        picks = picks + each[int(np.argmin(losses))]
        if min(losses) < lowest - 1e-9:
            lowest, best = min(losses), picks / number
    return np.asarray(best)


METHODS: dict[str, Callable[[Stack], Array]] = {
    "best member": best_member,
    "equal weights": equal,
    "fitted weights": fitted,
    "greedy selection": greedy,
}


def choose(members: Stack, method: str = "greedy selection") -> dict[str, float]:
    """Weights by system, of all these pictures; those with none are left out.

    Raises:
        ValueError: ``method`` is not a key of ``METHODS``.
    """
    if method not in METHODS:
        raise ValueError(f"no method {method!r}; choose from {', '.join(METHODS)}")
    weights = METHODS[method](members)
    return {s: float(w) for s, w in zip(members.systems, weights, strict=True) if w > 1e-3}


def mix(tables: Sequence[Predictions], weights: Sequence[float], *, system: str) -> Predictions:
    """The prediction table of an ensemble."""
    members = stack(tables)
    share = np.asarray(weights, np.float64) / np.sum(weights)
    ballot = None if members.ballot is None else soft_vote(members.ballot, share)
    label = soft_vote(members.label, share)
    return replace(tables[0], label=label, ballot=ballot, system=system)


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names with a number where they repeat."""
    return tuple(
        name if names.count(name) == 1 else f"{name} ({names[: i + 1].count(name)})"
        for i, name in enumerate(names)
    )
