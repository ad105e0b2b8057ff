"""What a face looks like as a vector: enough to say "surely the same person", not to name one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_CELL, _BINS = 8, 8
_FAINT = 100.0  # gradients of a cell that are noise: they count for less


def describe(crops: NDArray[np.uint8]) -> Floats:
    """Looks of faces, whose dot product is the correlation of their crops: (K, 144).

    Crops are averaged to 12x12, which forgives a pixel's shift, and made free of brightness and
    contrast.
    """
    small = crops.reshape(len(crops), 12, 4, 12, 4).mean(axis=(2, 4)).reshape(-1, 144)
    return unit((small - small.mean(axis=1, keepdims=True)).astype(np.float32))


def sign(crops: NDArray[np.uint8]) -> Floats:
    """Signatures of faces (K, 432): their dot product is the mean of two likenesses.

    One is ``describe``'s; the other compares directions of edges in 6x6 cells (histograms of
    oriented gradients, Dalal and Triggs 2005), which light changes less.
    """
    both = np.concatenate([describe(crops), _edges(crops)], axis=1)
    signatures: Floats = (both / np.sqrt(2)).astype(np.float32)
    return signatures


def unit(rows: Floats) -> Floats:
    """Rows of length 1."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    made: Floats = (rows / np.maximum(length, 1e-6)).astype(np.float32)
    return made


def _edges(crops: NDArray[np.uint8]) -> Floats:
    grey = crops.astype(np.float32)
    down, across = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength = np.hypot(across, down)
    place = (np.arctan2(down, across) % np.pi) / np.pi * _BINS
    first = np.floor(place)
    share = place - first
    side = grey.shape[1] // _CELL
    cells = np.zeros((len(grey), side, side, _BINS), np.float32)
    for bin_ in range(_BINS):
        weight = (1 - share) * (first % _BINS == bin_) + share * ((first + 1) % _BINS == bin_)
        cells[..., bin_] = (
            (strength * weight).reshape(len(grey), side, _CELL, side, _CELL).sum(axis=(2, 4))
        )
    cells /= np.sqrt((cells**2).sum(axis=-1, keepdims=True) + _FAINT**2)
    cells -= cells.mean(axis=-1, keepdims=True)
    return unit(cells.reshape(len(grey), side * side * _BINS))
