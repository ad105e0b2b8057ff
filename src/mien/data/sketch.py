"""A short record of which crops a model has seen: the smallest hashes among them.

Whoever holds the record can say of other crops which share of them was seen, whatever their folder,
names or labels are. Source: A. Broder, "On the resemblance and containment of documents", 1997.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mien.data.dataset import pixel_hash

KEPT = 256
"""Hashes in a sketch; a share of seen crops is then known to about 3 points."""
BYTES = 5
"""Of each hash: two crops in a million million meet by chance."""


def sketch(images: NDArray[np.uint8]) -> str:
    """The sketch of (N, H, W) crops, as text of at most 1.8 kB."""
    return _pack(_hashes(images))


def merge(sketches: Iterable[str]) -> str:
    """The sketch of all crops that any of these was made of."""
    return _pack(b for each in sketches for b in _unpack(each))


def share_seen(record: str, images: NDArray[np.uint8]) -> float:
    """Which share of the crops (N, H, W) is among those of a sketch; 0 where none can tell."""
    kept = set(_unpack(record))
    # A hash above the largest that was kept says nothing, unless all were kept.
    limit = max(kept, default=b"") if len(kept) >= KEPT else b"\xff" * BYTES
    telling = [value for value in _hashes(images) if value <= limit]
    return sum(value in kept for value in telling) / len(telling) if telling else 0.0


def _hashes(images: NDArray[np.uint8]) -> list[bytes]:
    return [bytes.fromhex(pixel_hash(i))[:BYTES] for i in images]


def _pack(hashes: Iterable[bytes]) -> str:
    return base64.b64encode(b"".join(sorted(set(hashes))[:KEPT])).decode()


def _unpack(record: str) -> list[bytes]:
    data = base64.b64decode(record)
    return [data[at : at + BYTES] for at in range(0, len(data), BYTES)]
