"""Hard cuts: where one scene of a film ends and another begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.infer.footage import Still

CUT = 0.15
"""Least difference of two frames, 0 to 1, across a cut."""
SURE = 0.5
"""A difference that is always a cut."""
JUMP = 4.0
"""Least ratio of that difference to the usual one of the last frames."""

MOVED = 0.75
"""Correlation with the frame before, shifted to fit, from which the picture has only moved."""

_ROWS, _COLUMNS, _BLOCK = 72, 128, 8
_SHIFT = 0.2  # share of width and height: the furthest that a picture moves between frames
_MEMORY = 24  # frames whose differences are "usual"

Floats = NDArray[np.float32]


class Sketch(NamedTuple):
    """What a frame looks like, whatever its size: colours (512,), blocks (9, 16, 3), grey (36, 64).

    Colours are shares of pixels; the others are 0 to 1.
    """

    colours: Floats
    blocks: Floats
    grey: Floats


def sketch(image: NDArray[np.uint8]) -> Sketch:
    """The sketch of a frame (H, W, 3)."""
    rows = (np.arange(_ROWS) * image.shape[0]) // _ROWS
    columns = (np.arange(_COLUMNS) * image.shape[1]) // _COLUMNS
    small = image[rows[:, None], columns[None]]
    codes = small >> 5
    bins = codes[..., 0].astype(np.intp) * 64 + codes[..., 1] * 8 + codes[..., 2]
    colours = np.bincount(bins.ravel(), minlength=512) / bins.size
    blocks = small.reshape(_ROWS // _BLOCK, _BLOCK, _COLUMNS // _BLOCK, _BLOCK, 3)
    grey = small.reshape(_ROWS // 2, 2, _COLUMNS // 2, 2, 3).mean(axis=(1, 3, 4))
    return Sketch(
        colours.astype(np.float32),
        (blocks.mean(axis=(1, 3)) / 255).astype(np.float32),
        (grey / 255).astype(np.float32),
    )


def difference(a: Sketch, b: Sketch) -> float:
    """How unlike two sketches are, 0 to 1.

    The geometric mean of the share of pixels whose colours changed and of how far the blocks
    moved: a pan keeps its colours, and a change of light that all blocks share is taken out.
    """
    colours = float(np.abs(a.colours - b.colours).sum()) / 2
    apart = b.blocks - a.blocks
    apart = apart - np.median(apart, axis=(0, 1))
    blocks = min(1.0, 4 * float(np.abs(apart).mean()))
    return float(np.sqrt(colours * blocks))


def aligned(a: Sketch, b: Sketch) -> float:
    """Correlation of two frames, -1 to 1, one shifted over the other to where they agree best."""
    rows, columns = a.grey.shape
    best = -1.0
    for down in range(-round(_SHIFT * rows), round(_SHIFT * rows) + 1):
        for across in range(-round(_SHIFT * columns), round(_SHIFT * columns) + 1):
            one = a.grey[
                max(down, 0) : rows + min(down, 0), max(across, 0) : columns + min(across, 0)
            ]
            other = b.grey[max(-down, 0) : rows + min(-down, 0),
                           max(-across, 0) : columns + min(-across, 0)]  # fmt: skip
            one, other = one - one.mean(), other - other.mean()
            norm = float(np.sqrt((one**2).sum() * (other**2).sum()))
            best = max(best, float((one * other).sum()) / max(norm, 1e-6))
    return best


def scenes(stills: Iterable[Still]) -> Iterator[tuple[int, Still]]:
    """Frames with the number of their scene, from 1.

    A cut is a difference of ``SURE``, or one of ``CUT`` that is also ``JUMP`` times what the frames
    before it had. Fast motion is no cut, nor is a picture that has moved or become brighter. Where
    a frame looks like a cut, the frame after it is waited for: a flash, after which the picture is
    as before, is none.
    """
    scene, before, usual = 1, None, deque([0.0], _MEMORY)
    frames = ((still, sketch(still.image)) for still in stills)
    held = None
    while (item := held or next(frames, None)) is not None:
        (still, looks), held = item, None
        flash = False
        if before is not None:
            step = difference(before, looks)
            jump = step >= SURE or step >= max(CUT, JUMP * float(np.median(usual)))
            if jump and aligned(before, looks) < MOVED:
                held = next(frames, None)
                flash = held is not None and _alike(before, held[1])
                scene += not flash
            usual.append(step)
        yield scene, still
        if not flash:
            before = looks


def _alike(a: Sketch, b: Sketch) -> bool:
    """Whether two frames are of one scene."""
    return difference(a, b) < CUT / 2 or aligned(a, b) >= MOVED
