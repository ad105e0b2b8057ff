"""What a format says of its pictures, made into a listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from mien.data.entries import USAGES, Listing, no_votes
from mien.data.tree import Tree
from mien.data.words import NO_LABEL, UNLABELLED, Class, split_of, understand, unknown_names


@dataclass(frozen=True)
class Said:
    """Of one picture: the word or number of its class, its split, the ten votes if any.

    An empty ``word`` with a ``why`` is a picture without a label.
    """

    word: str = ""
    split: str = ""
    why: str = ""
    votes: NDArray[np.int64] | None = None


@dataclass
class Labels:
    """All that a format found: what is said of each picture, by its path in the tree.

    ``numbers`` what the numbered classes mean; ``source`` the table or folder, for messages;
    ``lost`` names in the tables that no picture has; ``told`` sentences for a person.
    """

    source: str
    said: dict[str, Said] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def add(self, tree: Tree, name: str, said: Said, *, path: str | None = None) -> None:
        """Note what a table says of a name; two labels for one picture are none."""
        path = path or tree.find(name)
        if path is None:
            self.lost.append(name)
            return
        before = self.said.get(path)
        if before is not None and before.word != said.word:
            said = Said(split=said.split, why=f"{self.source} gives it two labels")
        self.said[path] = said


def to_listing(tree: Tree, labels: Labels, mapping: Mapping[str, str]) -> Listing:
    """The listing of all pictures of a tree; those nothing is said of are left out with a reason.

    Raises:
        ValueError: a class that nobody understands, or no picture with a label.
    """
    emotion: list[int] = []
    split: list[str] = []
    outside: dict[int, tuple[str, str]] = {}
    votes = no_votes(len(tree.pictures))
    unknown: Counter[str] = Counter()
    known: dict[str, Class | None] = {}
    for row, path in enumerate(tree.pictures):
        said = labels.said.get(path, Said(why=f"not in {labels.source}"))
        split.append(said.split or split_above(path.rpartition("/")[0]))
        if said.votes is not None:
            votes[row] = said.votes
        found: Class | None = Class(UNLABELLED, NO_LABEL, said.why or "no label")
        if said.word.strip():
            if said.word not in known:
                known[said.word] = understand(said.word, mapping, labels.numbers)
            found = known[said.word]
        if found is None:
            unknown[said.word] += 1
            found = Class(UNLABELLED)
        emotion.append(found.emotion)
        if found.reason:
            outside[row] = (found.reason, found.detail)
    if unknown:
        raise unknown_names(unknown, f"{tree.root}: labels in {labels.source}", labels.numbers)
    if len(outside) == len(emotion) and all(why == NO_LABEL for why, _ in outside.values()):
        raise ValueError(
            f"{tree.root}: {labels.source} names none of the pictures; it names "
            f"{labels.lost[0] if labels.lost else 'nothing'!r}, the folder has {tree.pictures[0]!r}"
        )
    return Listing(
        root=tree.root,
        id=list(tree.pictures),
        emotion=np.array(emotion, np.int64),
        split=split,
        usage=usages(tree.pictures),
        votes=votes,
        ignored=len(tree.others),
        outside=outside,
        told=(*tree.told, *labels.told, *_lost(labels)),
    )


def _lost(labels: Labels) -> tuple[str, ...]:
    if not labels.lost:
        return ()
    return (
        f"{labels.source}: {len(labels.lost):,} rows match no picture, such as {labels.lost[0]!r}",
    )


@cache
def split_above(folder: str) -> str:
    """The split that a folder, or the nearest one above it, names; "" if none does."""
    above = reversed(PurePosixPath(folder).parts)
    return next((split for name in above if (split := split_of(name))), "")


def usages(pictures: Sequence[str]) -> list[str]:
    """The contest's usage that each file name begins with, "" without."""
    words = [path.rpartition("/")[2].split("_")[0] for path in pictures]
    return [word if word.lower() in USAGES else "" for word in words]
