"""BlazeFace's raw outputs to boxes and landmarks, and merging of boxes that see the same face."""

import numpy as np
from numpy.typing import NDArray

STRIDE = 4
"""Pixels between anchors; full-range BlazeFace has one square grid of them."""

OVERLAP, INSIDE = 0.3, 0.7
"""Least share of two views of one face: over their union, and over the smaller box."""

Floats = NDArray[np.float32]


def decode(raw: Floats, logits: Floats, width: int, threshold: float) -> Floats:
    """Candidates of one pass.

    Args:
        raw: (A, 16) centre, size and six landmarks (x, y), pixels relative to the anchor; anchors
            run in rows over a picture of ``width`` pixels (mediapipe, ``ssd_anchors_calculator``).
        logits: (A,) scores before the sigmoid.
        width: of the picture that the network saw, a multiple of ``STRIDE``.
        threshold: candidates of a lower score (0 to 1) are dropped.

    Returns:
        (K, 17): left, top, right, bottom, six landmarks (x, y), score, in pixels of that picture.
    """
    kept = np.flatnonzero(logits >= np.log(threshold / (1 - threshold)))
    row, column = np.divmod(kept, width // STRIDE)
    anchors = (np.stack([column, row], axis=1) + 0.5) * STRIDE
    points = raw[kept].reshape(-1, 8, 2)
    centre, half = points[:, 0] + anchors, points[:, 1] / 2
    landmarks = points[:, 2:] + anchors[:, None]
    score = 1 / (1 + np.exp(-logits[kept]))
    parts = [centre - half, centre + half, landmarks.reshape(-1, 12), score[:, None]]
    found: Floats = np.concatenate(parts, axis=1).astype(np.float32)
    return found[(half > 0).all(axis=1)]


def merge(candidates: Floats, overlap: float = OVERLAP, inside: float = INSIDE) -> Floats:
    """Weighted non-maximum suppression (as BlazeFace's authors do), best first.

    Candidates that overlap the best one by ``overlap`` (intersection over union), or of which
    ``inside`` of the smaller lies in the other, are averaged with it, weighted by their scores;
    those that only lie inside are dropped. Equal scores keep their order, so that the result is
    deterministic.

    Args:
        candidates: (K, 17) as ``decode`` returns them.
        overlap: least intersection over union of two views of one face.
        inside: least share of the smaller box.

    Returns:
        (F, 17), one row a face, with the score of its best candidate.
    """
    rest = candidates[np.argsort(-candidates[:, 16], kind="stable")]
    merged = []
    while len(rest):
        best = rest[0]
        union_share, smaller_share = overlaps(best, rest)
        same = union_share >= overlap
        same[0] = True
        weights = rest[same, 16] / rest[same, 16].sum()
        merged.append(np.append(weights @ rest[same, :16], best[16]))
        rest = rest[~same & (smaller_share < inside)]
    return np.array(merged, np.float32).reshape(-1, 17)


def overlaps(box: Floats, others: Floats) -> tuple[Floats, Floats]:
    """Intersection of one box with each of others, over their union and over the smaller box."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:4], others[:, 2:4])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(box[2:4] - box[:2])
    areas = np.prod(others[:, 2:4] - others[:, :2], axis=1)
    return shared / (area + areas - shared), shared / np.minimum(area, areas)
