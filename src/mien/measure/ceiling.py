"""What no model can do better on these pictures: how far the labels and the people disagree."""

from __future__ import annotations

import numpy as np

from mien.emotions import BALLOT_INDEX
from mien.measure.bootstrap import finite
from mien.measure.predictions import Predictions
from mien.measure.votes import majority, shares, worth_annotators


def noise(table: Predictions) -> dict[str, float | None]:
    """Figures that bound every score on this table.

    Returns:
        ``label_is_top_vote``: pictures whose label is what most people saw (ties count as seen);
        ``two_agree``: chance that two of a picture's annotators chose the same option;
        ``no_majority``: pictures on which no option has more than half of the votes, or the votes
        are for unknown or NF; ``prior_worth``: how many annotators the average ballot of all is
        worth as an answer to each, None for infinitely many; ``in_copies``: pictures with a
        pixel-identical copy in this table; ``conflicting``: pictures among such copies whose
        labels differ. Only what can be known.
    """
    found: dict[str, float | None] = {}
    voted = table.has_votes
    if table.counts is not None and voted.any():
        counts = table.counts[voted]
        n = counts.sum(axis=1)
        found["two_agree"] = float(((counts * (counts - 1)).sum(axis=1) / (n * (n - 1))).mean())
        found["no_majority"] = float((majority(counts, strict=True) < 0).mean())
        average = shares(counts).mean(axis=0, keepdims=True)
        same = np.repeat(average, len(counts), axis=0)
        found["prior_worth"] = finite(worth_annotators(counts, same))
        both = voted & table.known
        if both.any():
            counts = table.counts[both]
            own = counts[np.arange(len(counts)), np.array(BALLOT_INDEX)[table.y[both]]]
            found["label_is_top_vote"] = float((own == counts.max(axis=1)).mean())
    if table.group is not None and len(table):
        _, unit, size = np.unique(table.group, return_inverse=True, return_counts=True)
        low = np.full(len(size), np.iinfo(np.int64).max)
        high = np.full(len(size), -1)
        np.minimum.at(low, unit, table.y)
        np.maximum.at(high, unit, table.y)
        found["in_copies"] = float((size[unit] > 1).mean())
        found["conflicting"] = float((low != high)[unit].mean())
    return found
