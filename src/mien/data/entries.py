"""What a source holds: one entry a picture, the pixels still unread."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.emotions import BALLOT

NO_LABEL = -1
NO_VOTES = -1
USAGES = {"training": "train", "publictest": "valid", "privatetest": "test"}
"""The contest's names for its three parts, and the split each of them is."""


def no_votes(count: int) -> NDArray[np.int64]:
    """(count, 10) rows that say nobody voted."""
    return np.full((count, len(BALLOT)), NO_VOTES, np.int64)


@dataclass(frozen=True)
class Listing:
    """N pictures of a source, sorted by ``id``.

    ``root`` the folder or CSV file; ``id`` the path below the folder, or FER+'s name of the CSV
    row; ``emotion`` (N,) index into ``EMOTIONS``, ``NO_LABEL`` where it is none of the seven;
    ``split`` and ``usage`` as folder and file names or the CSV tell, "" unknown; ``votes`` (N, 10),
    rows of -1 without; ``start`` and ``length`` (N,) where a row's pixels lie in the CSV, absent
    for folders; ``ignored`` files that are no pictures; ``outside`` row to (reason, detail) of
    pictures without one of the seven labels; ``told`` sentences that a person should read.
    """

    root: Path
    id: Sequence[str]
    emotion: NDArray[np.int64]
    split: Sequence[str]
    usage: Sequence[str]
    votes: NDArray[np.int64]
    start: NDArray[np.int64] | None = None
    length: NDArray[np.int64] | None = None
    ignored: int = 0
    vote_file: str = field(default="")
    outside: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    told: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.id)

    def raw(self) -> Iterator[bytes]:
        """The encoded picture or the pixel text of every entry, in order; empty if unreadable."""
        if self.start is None or self.length is None:
            for name in self.id:
                try:
                    yield (self.root / name).read_bytes()
                except OSError:
                    yield b""
            return
        with self.root.open("rb") as file:
            for start, length in zip(self.start.tolist(), self.length.tolist(), strict=True):
                file.seek(start)
                yield file.read(length)

    def digest(self) -> str:
        """Hash of every id and every byte of the pictures."""
        total = hashlib.sha256()
        for name, raw in zip(self.id, self.raw(), strict=True):
            total.update(name.encode() + b"\0" + hashlib.sha256(raw).digest())
        return total.hexdigest()[:20]
