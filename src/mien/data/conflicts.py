"""One label and one picture for every group of copies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.emotions import BALLOT_INDEX

UNRESOLVED = -1


@dataclass(frozen=True)
class Verdicts:
    """What became of each group.

    ``label`` (N,) the emotion of the group that a picture is in, ``UNRESOLVED`` where nobody can
    say; ``conflicting`` (N,) whether the group's own labels differ; ``keeper`` (N,) bool, the one
    picture of each group that stays.
    """

    label: NDArray[np.int64]
    conflicting: NDArray[np.bool_]
    keeper: NDArray[np.bool_]


def judge_groups(
    group: NDArray[np.int64],
    emotion: NDArray[np.int64],
    votes: NDArray[np.int64],
    *,
    decided: NDArray[np.bool_],
    placed: NDArray[np.bool_],
) -> Verdicts:
    """Settle the label of each group, and which of its pictures is kept.

    Labels that differ are settled by a person's decision, else by the votes on all copies among
    the labels in question (most votes, no tie), else not at all. Of the pictures with the settled
    label the one kept is: one placed by an earlier run, before one with votes, before the first
    by id.

    Args:
        group: (N,) set of each picture, -1 outside.
        emotion: (N,) its label.
        votes: (N, 10) counts, rows of -1 where nobody voted.
        decided: (N,) the label was set by a person's decision.
        placed: (N,) an earlier manifest has the picture.
    """
    count = len(group)
    label = np.where(group >= 0, emotion, UNRESOLVED)
    conflicting = np.zeros(count, np.bool_)
    voted = votes[:, 0] >= 0
    keeper = np.zeros(count, np.bool_)
    inside = np.flatnonzero(group >= 0)
    order = inside[np.argsort(group[inside], kind="stable")]
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    for members in np.split(order, starts[1:]) if len(order) else ():
        if len(members) == 1:
            keeper[members] = True
            continue
        labels = np.unique(emotion[members])
        settled = int(labels[0])
        if len(labels) > 1:
            conflicting[members] = True
            settled = _settle(labels, members, emotion, votes[members[voted[members]]], decided)
            label[members] = settled
        fit = members[emotion[members] == settled]
        if len(fit):
            keeper[fit[np.lexsort((fit, ~voted[fit], ~placed[fit]))[0]]] = True
    return Verdicts(label, conflicting, keeper)


def _settle(
    labels: NDArray[np.int64],
    members: NDArray[np.int64],
    emotion: NDArray[np.int64],
    votes: NDArray[np.int64],
    decided: NDArray[np.bool_],
) -> int:
    by_people = np.unique(emotion[members[decided[members]]])
    if len(by_people):
        return int(by_people[0]) if len(by_people) == 1 else UNRESOLVED
    counts = votes.sum(0)[np.array(BALLOT_INDEX)[labels]]
    best = np.flatnonzero(counts == counts.max())
    return int(labels[best[0]]) if len(best) == 1 and counts.max() > 0 else UNRESOLVED
