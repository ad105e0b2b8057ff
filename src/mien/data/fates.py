"""What becomes of every picture: the label it ends with, and why it is left out if it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.data.check import BLANK, CONSTANT
from mien.data.conflicts import UNRESOLVED, judge_groups
from mien.data.decisions import DROP, Decision
from mien.data.duplicates import Copies
from mien.data.entries import NO_LABEL
from mien.data.faces import Verdict
from mien.data.groups import SPLIT_NAMES, group_copies, keep_hardest_split
from mien.data.photos import NO_FACE, SEVERAL
from mien.data.words import MAPPED_OUT
from mien.naming import canonical

BY_HAND, NOT_FACE = "dropped-by-hand", "not-a-face"
DUPLICATE, CONFLICT, BRIDGE = "duplicate", "conflicting-labels", "bridges-splits"
OVERRULED = (BLANK, CONSTANT, NO_FACE, SEVERAL)
"""Findings of the checks that a person may overrule: the picture was read all the same."""


@dataclass
class Fates:
    """The state of N pictures while stage after stage looks at them.

    ``reason`` (N,) "" while a picture stays; ``score`` (N,) of the reason, 0 to 1; ``detail`` in
    words; ``emotion`` (N,) the label; ``group`` (N,) of copies, -1 none; ``protected`` a person
    said keep or gave the label; ``conflicting`` its group has several labels.
    """

    ids: Sequence[str]
    emotion: NDArray[np.int64]
    reason: list[str]
    score: NDArray[np.float64]
    detail: list[str]
    group: NDArray[np.int64]
    protected: NDArray[np.bool_]
    relabelled: NDArray[np.bool_]
    conflicting: NDArray[np.bool_]

    @classmethod
    def begin(cls, ids: Sequence[str], emotion: NDArray[np.int64]) -> Fates:
        """Every picture stays, with the label of the source."""
        n = len(ids)
        false = np.zeros(n, np.bool_)
        return cls(
            ids, emotion.copy(), [""] * n, np.ones(n), [""] * n, np.full(n, -1), false.copy(),
            false.copy(), false.copy(),
        )  # fmt: skip

    @property
    def stays(self) -> NDArray[np.bool_]:
        """(N,) pictures not left out so far."""
        return np.array([r == "" for r in self.reason], np.bool_)

    def exclude(self, row: int, reason: str, detail: str = "", score: float = 1.0) -> None:
        """Leave a picture out, unless it already is."""
        if not self.reason[row]:
            self.reason[row], self.detail[row], self.score[row] = reason, detail, score


def apply_decisions(fates: Fates, decisions: Mapping[str, Decision]) -> int:
    """Drop, relabel and protect what people decided on; returns how many name no picture."""
    row_of = {canonical(name): row for row, name in enumerate(fates.ids)}
    unknown = 0
    for name, decision in decisions.items():
        row = row_of.get(canonical(name))
        if row is None:
            unknown += 1
            continue
        if decision.action == DROP:
            fates.exclude(row, BY_HAND)
            continue
        fates.protected[row] = True
        if decision.emotion is not None:
            fates.emotion[row] = decision.emotion.position
            fates.relabelled[row] = True
    return unknown


def apply_checks(
    fates: Fates,
    reason: NDArray[np.str_],
    detail: Mapping[int, str],
    *,
    outside: Mapping[int, tuple[str, str]] | None = None,
    face: NDArray[np.float64] | None = None,
) -> None:
    """Leave out what has none of the seven labels and what is unreadable, odd-sized or flat.

    Args:
        fates: changed in place.
        reason: (N,) what was wrong with each picture, "" if nothing.
        detail: the same for people, by row.
        outside: row to (reason, detail) of pictures without one of the seven labels.
        face: (N,) the detector's score of the face in each photo; the score of "several-faces".
    """
    for row in range(len(fates.ids)):
        if fates.emotion[row] == NO_LABEL:
            fates.exclude(row, *(outside or {}).get(row, (MAPPED_OUT, "")))
        if reason[row] and not (fates.protected[row] and reason[row] in OVERRULED):
            score = 1.0 if face is None or reason[row] != SEVERAL else float(face[row])
            fates.exclude(row, str(reason[row]), detail.get(row, ""), score)


def spread_drops(fates: Fates, sha256: NDArray[np.bytes_]) -> None:
    """Leave out what has the pixels and the label of a picture dropped by hand.

    Otherwise the copy would take the place of the one that somebody did not want. A copy with
    another label stays, since dropping one of two settles a conflict; so does what a person kept.
    """
    kinds = list(zip(sha256.tolist(), fates.emotion.tolist(), strict=True))
    dropped: dict[tuple[bytes, int], int] = {}
    for row, kind in enumerate(kinds):
        if kind[0] and fates.reason[row] == BY_HAND:
            dropped.setdefault(kind, row)
    for row, kind in enumerate(kinds):
        if kind in dropped and not fates.protected[row]:
            fates.exclude(row, BY_HAND, f"same pixels as {fates.ids[dropped[kind]]}")


def apply_faces(fates: Fates, rows: NDArray[np.int64], verdict: Verdict, drop: float) -> None:
    """Leave out what is surely no face."""
    for row, score, why in zip(rows.tolist(), verdict.score, verdict.reason, strict=True):
        if score >= drop and not fates.protected[row]:
            fates.exclude(row, NOT_FACE, str(why), float(score))


def apply_groups(
    fates: Fates,
    copies: Copies,
    *,
    sha256: NDArray[np.bytes_],
    votes: NDArray[np.int64],
    usable: NDArray[np.bool_],
    pinned: NDArray[np.int64],
    hint: NDArray[np.int64] | None,
    keep_all: bool,
) -> None:
    """Form groups, settle their labels and leave out what is not kept of them.

    Args:
        fates: changed in place.
        copies: verified pairs.
        sha256: (N,) of the pixels.
        votes: (N, 10) counts.
        usable: (N,) pictures whose pixels can be compared; those left out link others too.
        pinned: (N,) split of an earlier run, -1 without.
        hint: (N,) the source's own split where that is kept, else None.
        keep_all: keep all copies with the settled label.
    """
    group, bridges = group_copies(
        copies.pairs, usable, pinned, pixels=np.unique(sha256, return_inverse=True)[1]
    )
    fates.group[:] = group
    for row in np.flatnonzero(bridges).tolist():
        fates.exclude(row, BRIDGE, "has copies in several splits")
    if hint is not None:
        keep = keep_hardest_split(np.where(fates.stays, group, -1), hint)
        for row in np.flatnonzero(fates.stays & (group >= 0) & ~keep).tolist():
            fates.exclude(row, DUPLICATE, "has a copy in a later split")
    alive = np.where(fates.stays, group, -1)
    verdicts = judge_groups(
        alive, fates.emotion, votes, decided=fates.relabelled, placed=pinned >= 0
    )
    fates.conflicting[:] = verdicts.conflicting
    keeper_of = {int(group[row]): row for row in np.flatnonzero(verdicts.keeper).tolist()}
    for row in np.flatnonzero(alive >= 0).tolist():
        if verdicts.keeper[row] or fates.protected[row]:
            continue
        settled = int(verdicts.label[row])
        if settled == UNRESOLVED:
            fates.exclude(row, CONFLICT, "its copies have other labels and no votes decide")
        elif fates.emotion[row] != settled or not keep_all:
            fates.exclude(row, DUPLICATE, f"copy of {fates.ids[keeper_of[int(group[row])]]}")


def split_index(names: Sequence[str]) -> NDArray[np.int64]:
    """Index into ``SPLIT_NAMES`` of each name, -1 for ""."""
    return np.array([SPLIT_NAMES.index(n) if n else -1 for n in names], np.int64)
