"""At which scales a picture is searched for faces."""

import math

SEARCH_SIDE = 1600
"""Longest side, in pixels, at which a picture is searched; 1920 costs 1.4 times as much."""
BASE_SIDE = 128
"""Longest side of the first pass, which must see faces as large as the picture itself.

The network was trained at 192 pixels, but is less and less sure of faces above 110 pixels.
"""
SURE_SIZE = 24
"""Faces of this many pixels are found surely, on any ground (``benchmarks/detect.py``)."""
DEFAULT_MIN_FACE = 40

STEP = 4.5
"""Factor between passes at most: one pass sees faces of 24 to 110 pixels surely."""


def scales(height: int, width: int, min_face: int = DEFAULT_MIN_FACE) -> tuple[float, ...]:
    """Factors by which to resize a picture for each pass, smallest first.

    The first pass sees the whole picture at ``BASE_SIDE``; the last one shows faces of
    ``min_face`` pixels at ``SURE_SIZE``. Pictures above ``SEARCH_SIDE`` count as reduced to it,
    and faces of less than 40 pixels of the reduced picture (1/40 of its long side) are searched
    for only where ``min_face`` itself is below 40.

    Raises:
        ValueError: ``min_face`` is below 1.
    """
    if min_face < 1:
        raise ValueError(f"min_face is {min_face}; give at least 1 pixel")
    long_side = max(height, width)
    reduced = max(1.0, long_side / SEARCH_SIDE)
    smallest = max(min_face, min(min_face, DEFAULT_MIN_FACE) * reduced)
    base = BASE_SIDE / long_side
    finest = min(SURE_SIZE / smallest, SEARCH_SIDE / long_side)
    if finest <= base:
        return (base,)
    steps = math.ceil(math.log(finest / base, STEP))
    return tuple(base * (finest / base) ** (i / steps) for i in range(steps + 1))
