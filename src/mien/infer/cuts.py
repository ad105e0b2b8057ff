"""Hard cuts: where one scene of a film ends and another begins."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from mien.infer.footage import Still

CUT = 0.2
"""Least difference of two frames, 0 to 1, across a cut."""
SURE = 0.5
"""A difference that is always a cut."""
JUMP = 4.0
"""Least ratio of that difference to the usual one of the last frames."""

_ROWS, _COLUMNS, _BLOCK = 72, 128, 8
_MEMORY = 24  # frames whose differences are "usual"

Floats = NDArray[np.float32]


def sketch(image: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """What a frame (H, W, 3) looks like, whatever its size: colours (512,), blocks (9, 16, 3)."""
    rows = (np.arange(_ROWS) * image.shape[0]) // _ROWS
    columns = (np.arange(_COLUMNS) * image.shape[1]) // _COLUMNS
    small = image[rows[:, None], columns[None]]
    codes = small >> 5
    bins = codes[..., 0].astype(np.intp) * 64 + codes[..., 1] * 8 + codes[..., 2]
    colours = np.bincount(bins.ravel(), minlength=512) / bins.size
    blocks = small.reshape(_ROWS // _BLOCK, _BLOCK, _COLUMNS // _BLOCK, _BLOCK, 3)
    return colours.astype(np.float32), (blocks.mean(axis=(1, 3)) / 255).astype(np.float32)


def difference(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> float:
    """How unlike two sketches are, 0 to 1.

    The geometric mean of the share of pixels whose colours changed and of how far the blocks
    moved: a pan keeps its colours, and a change of light that all blocks share is taken out.
    """
    colours = float(np.abs(a[0] - b[0]).sum()) / 2
    apart = b[1] - a[1]
    apart = apart - np.median(apart, axis=(0, 1))
    blocks = min(1.0, 4 * float(np.abs(apart).mean()))
    return float(np.sqrt(colours * blocks))


def scenes(stills: Iterable[Still]) -> Iterator[tuple[int, Still]]:
    """Frames with the number of their scene, from 1.

    A cut is a difference of ``SURE``, or one of ``CUT`` that is also ``JUMP`` times what the frames
    before it had: fast motion is no cut. Where a frame looks like one, the frame after it is
    waited for: a flash, after which the picture is as before, is none.
    """
    scene, before, usual = 1, None, deque([0.0], _MEMORY)
    frames = ((still, sketch(still.image)) for still in stills)
    held = None
    while (item := held or next(frames, None)) is not None:
        (still, looks), held = item, None
        flash = False
        if before is not None:
            step = difference(before, looks)
            if step >= SURE or step >= max(CUT, JUMP * float(np.median(usual))):
                held = next(frames, None)
                flash = held is not None and difference(before, held[1]) < CUT / 2
                scene += not flash
            usual.append(step)
        yield scene, still
        if not flash:
            before = looks
