"""At which scales, and in which parts, a picture is searched for faces."""

import math

SEEN = 26
"""Faces of ``min_face`` pixels are shown to the network at this many (``benchmarks/detect.py``)."""
ENLARGED_BELOW = 16
"""Down to this ``min_face`` a picture is at most searched at its own size; below, enlarged."""
DEFAULT_MIN_FACE = 40

WHOLE = 1024
"""Longest side, in pixels, at which one pass sees faces as large as the picture itself."""
BASE_SIDE = 640
"""Longest side of the first pass over a picture that needs more than one."""
STEP = 5.0
"""Factor between passes at most: each sees faces from ``SEEN`` pixels to the tiles' overlap."""
SMALL = 128
"""Pictures whose longest side would be shown at less than this are enlarged to it."""

TILE, SHARED = 1280, 192
"""Longest side of a tile, and what neighbours share: the largest face that both see whole."""

Part = tuple[int, int, int, int]


def scales(height: int, width: int, min_face: int = DEFAULT_MIN_FACE) -> tuple[float, ...]:
    """Factors by which to resize a picture for each pass, smallest first.

    The last pass shows faces of ``min_face`` pixels at ``SEEN`` pixels, whatever the picture's
    size; ``min_face`` of ``ENLARGED_BELOW`` to ``SEEN`` are searched for at the picture's own size,
    and smaller ones at up to twice that. Where the last pass is too large to see a face that fills
    the picture, others stand before it.

    Raises:
        ValueError: ``min_face`` is below 1.
    """
    if min_face < 1:
        raise ValueError(f"min_face is {min_face}; give at least 1 pixel")
    long_side = max(height, width)
    finest = min(2.0, max(SEEN / min_face if min_face > SEEN else 1.0, ENLARGED_BELOW / min_face))
    finest = max(finest, SMALL / long_side)
    base = BASE_SIDE / long_side
    if finest * long_side <= WHOLE:
        return (finest,)
    steps = math.ceil(math.log(finest / base, STEP))
    return tuple(base * (finest / base) ** (i / steps) for i in range(steps + 1))


def parts(side: int) -> list[tuple[int, int]]:
    """Begin and end, in pixels, of the tiles along one side: overlapping, and of equal length."""
    if side <= TILE:
        return [(0, side)]
    count = math.ceil((side - SHARED) / (TILE - SHARED))
    length = math.ceil((side - SHARED) / count) + SHARED
    starts = [min(i * (length - SHARED), side - length) for i in range(count)]
    return [(start, start + length) for start in starts]


def tiles(height: int, width: int) -> list[Part]:
    """Left, top, right and bottom of the tiles of a pass of this size, in rows."""
    return [
        (left, top, right, bottom) for top, bottom in parts(height) for left, right in parts(width)
    ]


def cores(part: Part, height: int, width: int) -> Part:
    """The region whose faces a tile answers for: up to the middle of what it shares with others."""
    left, top, right, bottom = part
    half = SHARED // 2
    far = max(height, width) * 4  # the rim of the picture belongs to its tile, with what leaves it
    return (
        left + half if left else -far,
        top + half if top else -far,
        right - half if right < width else width + far,
        bottom - half if bottom < height else height + far,
    )
