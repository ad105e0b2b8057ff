"""The mistakes that teach most: where people are clear and the scores are far from them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.emotions import BALLOT, BALLOT_INDEX, EMOTIONS
from mien.measure.predictions import Predictions
from mien.measure.votes import majority, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPTION = {BALLOT[column]: e.value for e, column in zip(EMOTIONS, BALLOT_INDEX, strict=True)}
_OPTION["unknown"], _OPTION["NF"] = "unsure", "not a face"


@dataclass(frozen=True)
class Mistake:
    """One entry of the contact sheet; ``bars`` are (name, share of votes or None, share given)."""

    name: str
    label: str
    people: str
    system: str
    bars: tuple[tuple[str, float | None, float], ...]
    picture: str | None


def worst(table: Predictions, *, n: int = 18) -> NDArray[np.int64]:
    """Rows of the n worst wrong answers, worst first, one of each group of copies.

    With votes: where the ballot's top is not what a clear majority saw (FER+'s rule), by the
    squared distance between ballot and vote shares. Without: where the label head's top is not
    the label, by how little of the score that got.
    """
    if table.has_votes.any():
        assert table.counts is not None
        rows = np.flatnonzero(table.has_votes)
        seen, said = majority(table.counts[rows]), table.full_ballot[rows].argmax(axis=1)
        rows = rows[(seen >= 0) & (seen != said)]
        distance = ((table.full_ballot[rows] - shares(table.counts[rows])) ** 2).sum(axis=1)
    else:
        rows = np.flatnonzero(table.known & (table.label.argmax(axis=1) != table.y))
        distance = 1 - table.label[rows, table.y[rows]]
    ranked = rows[np.argsort(-distance, kind="stable")]
    if table.group is not None:
        _, first = np.unique(table.group[ranked], return_index=True)
        ranked = ranked[np.sort(first)]
    return ranked[:n]


def describe(
    table: Predictions, rows: NDArray[np.int64], *, pictures: Sequence[NDArray[np.uint8]] | None
) -> list[Mistake]:
    """What the contact sheet says of each row; ``pictures`` (one a row, (H, W) or (H, W, 3))."""
    mistakes = []
    names = tuple(_OPTION.get(option, option) for option in BALLOT)
    for i, row in enumerate(rows):
        voted = bool(table.has_votes[row])
        given = table.full_ballot[row]
        seen = None
        people = "nobody voted"
        if voted and table.counts is not None:
            counts = table.counts[row]
            seen = counts / counts.sum()
            ranked = np.argsort(-counts, kind="stable")
            people = ", ".join(f"{counts[c]} {names[c]}" for c in ranked if counts[c])
        weight = given if seen is None else np.maximum(given, seen)
        shown = np.argsort(-weight, kind="stable")[:4]
        top = int(given.argmax())
        mistakes.append(
            Mistake(
                name=str(table.id[row]).rsplit("/", 1)[-1],
                label=EMOTIONS[table.y[row]].value if table.y[row] >= 0 else "",
                people=people,
                system=f"{names[top]} {given[top]:.0%}".replace("%", " %"),
                bars=tuple(
                    (names[c], None if seen is None else float(seen[c]), float(given[c]))
                    for c in shown
                ),
                picture=None if pictures is None else data_uri(pictures[i]),
            )
        )
    return mistakes


def data_uri(picture: NDArray[np.uint8]) -> str:
    """A PNG that a page can hold in itself."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, format="PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
