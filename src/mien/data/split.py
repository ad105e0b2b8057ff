"""Places groups into train, valid and test by class, the same way every time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.data.groups import NOWHERE, SPLIT_NAMES


def parse_ratio(text: str) -> tuple[float, float, float]:
    """Shares of train, valid and test from "8:1:1".

    Raises:
        ValueError: not three numbers, one negative, or no train.
    """
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if len(parts) != len(SPLIT_NAMES) or min(parts) < 0 or parts[0] <= 0:
        raise ValueError(f"--split {text}: give a ratio such as 8:1:1, or official, or keep")
    total = sum(parts)
    return parts[0] / total, parts[1] / total, parts[2] / total


def place_groups(
    label: NDArray[np.int64],
    size: NDArray[np.int64],
    key: Sequence[str],
    pinned: NDArray[np.int64],
    *,
    ratio: tuple[float, float, float],
    seed: int = 0,
) -> NDArray[np.int64]:
    """Split of each group.

    Groups that were placed before stay. The others come in the order of a hash of seed and key,
    so neither their order nor their number matters to where one of them stands in the queue, and
    each goes to the split that lacks most of its class (of equals: train, valid, test).

    Args:
        label: (G,) class of each group.
        size: (G,) pictures in it.
        key: G strings that tell the groups apart, the same in every run.
        pinned: (G,) index into ``SPLIT_NAMES``, -1 if new.
        ratio: shares of train, valid and test.
        seed: another seed, another split.

    Returns:
        (G,) indices into ``SPLIT_NAMES``.
    """
    place = pinned.copy()
    shares = np.array(ratio)
    held: dict[int, NDArray[np.float64]] = {}
    for row in np.flatnonzero(pinned != NOWHERE).tolist():
        held.setdefault(int(label[row]), np.zeros(len(shares)))[place[row]] += size[row]
    turn = [hashlib.sha256(f"{seed}:{k}".encode()).hexdigest() for k in key]
    for row in sorted(np.flatnonzero(pinned == NOWHERE).tolist(), key=turn.__getitem__):
        counts = held.setdefault(int(label[row]), np.zeros(len(shares)))
        deficit = shares * (counts.sum() + size[row]) - counts
        # A share of zero takes nothing, even where rounding leaves it the largest deficit.
        place[row] = int(np.argmax(np.where(shares > 0, np.round(deficit, 9), -np.inf)))
        counts[place[row]] += size[row]
    return place
