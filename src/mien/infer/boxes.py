"""RetinaFace's raw outputs to boxes and landmarks, and merging of boxes that see the same face."""

import numpy as np
from numpy.typing import NDArray

LEVELS = ((8, 16, 32), (16, 64, 128), (32, 256, 512))
"""Stride and the two sizes of the square anchors of each level, pixels."""
MOVE, GROW = 0.1, 0.2
"""What the network's units are worth: anchors' sides, and logarithms of their sides."""

POINTS = 5
SCORE = 4 + 2 * POINTS
"""Column of a candidate's score, after its box and its landmarks."""

OVERLAP, INSIDE = 0.4, 0.7
"""Least share of two views of one face: over their union, and over the smaller box."""

Floats = NDArray[np.float32]


def decode(raw: Floats, size: tuple[int, int], threshold: float) -> Floats:
    """Candidates of one pass.

    Args:
        raw: (A, 15) logit, then centre, size and five landmarks (x, y) in the network's units;
            level after level, rows of places, two anchors a place.
        size: height and width of what the network saw, multiples of 32.
        threshold: candidates of a lower score (0 to 1) are dropped.

    Returns:
        (K, 15): left, top, right, bottom, five landmarks (x, y), score, in pixels of what was seen.
    """
    kept = np.flatnonzero(raw[:, 0] >= np.log(threshold / (1 - threshold)))
    centres, sides, first = np.empty((len(kept), 2)), np.empty((len(kept), 1)), 0
    for stride, small, large in LEVELS:
        height, width = size[0] // stride, size[1] // stride
        here = (kept >= first) & (kept < first + 2 * height * width)
        place, which = np.divmod(kept[here] - first, 2)
        centres[here] = (np.stack([place % width, place // width], axis=1) + 0.5) * stride
        sides[here, 0] = np.where(which == 0, small, large)
        first += 2 * height * width
    rows = raw[kept].astype(np.float64)
    centre = centres + rows[:, 1:3] * MOVE * sides
    half = sides * np.exp(np.minimum(rows[:, 3:5] * GROW, 4)) / 2
    points = centres[:, None] + rows[:, 5:].reshape(-1, POINTS, 2) * MOVE * sides[:, None]
    score = 1 / (1 + np.exp(-rows[:, :1]))
    parts = [centre - half, centre + half, points.reshape(-1, 2 * POINTS), score]
    return np.concatenate(parts, axis=1).astype(np.float32)


def merge(candidates: Floats, overlap: float = OVERLAP, inside: float = INSIDE) -> Floats:
    """Weighted non-maximum suppression, best first.

    Candidates that overlap the best one by ``overlap`` (intersection over union) are averaged
    with it, weighted by their scores, so that boxes and landmarks hardly move with the picture's
    size or compression; those of which ``inside`` of the smaller lies in the other are dropped.
    Equal scores keep their order, so that the result is deterministic.

    Args:
        candidates: (K, 15) as ``decode`` returns them.
        overlap: least intersection over union of two views of one face.
        inside: least share of the smaller box.

    Returns:
        (F, 15), one row a face, with the score of its best candidate.
    """
    rest = candidates[np.argsort(-candidates[:, SCORE], kind="stable")]
    merged = []
    while len(rest):
        best = rest[0]
        union_share, smaller_share = overlaps(best, rest)
        same = union_share >= overlap
        same[0] = True
        weights = rest[same, SCORE] / rest[same, SCORE].sum()
        merged.append(np.append(weights @ rest[same, :SCORE], best[SCORE]))
        rest = rest[~same & (smaller_share < inside)]
    return np.array(merged, np.float32).reshape(-1, SCORE + 1)


def overlaps(box: Floats, others: Floats) -> tuple[Floats, Floats]:
    """Intersection of one box with each of others, over their union and over the smaller box."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:4], others[:, 2:4])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(box[2:4] - box[:2])
    areas = np.prod(others[:, 2:4] - others[:, :2], axis=1)
    return shared / (area + areas - shared), shared / np.minimum(area, areas)


def ordered(faces: Floats) -> Floats:
    """The same faces, best first; equal scores keep their order."""
    sorted_: Floats = faces[np.argsort(-faces[:, SCORE], kind="stable")].astype(np.float32)
    return sorted_


def rolls(faces: Floats) -> Floats:
    """Degrees by which faces are turned clockwise, of their five landmarks; 0 is upright."""
    points = faces[:, 4:SCORE].reshape(-1, POINTS, 2)
    down = points[:, 3:].mean(axis=1) - points[:, :2].mean(axis=1)  # eyes to mouth
    angles: Floats = np.degrees(np.arctan2(-down[:, 0], down[:, 1])).astype(np.float32)
    return angles


def turned_back(faces: Floats, quarters: int, height: int, width: int) -> Floats:
    """Faces of a picture that ``np.rot90`` turned, in pixels of the one before.

    Args:
        faces: (F, 15).
        quarters: of a turn, counter-clockwise, as given to ``np.rot90``.
        height: of the picture before.
        width: of the picture before.
    """
    points = faces[:, :SCORE].reshape(-1, 2 + POINTS, 2)
    x, y = points[..., 0], points[..., 1]
    back = {0: (x, y), 1: (width - y, x), 2: (width - x, height - y), 3: (y, height - x)}
    moved = np.stack(back[quarters % 4], axis=-1)
    moved[:, :2] = np.stack([moved[:, :2].min(axis=1), moved[:, :2].max(axis=1)], axis=1)
    turned: Floats = np.column_stack([moved.reshape(len(faces), SCORE), faces[:, SCORE]])
    return turned
