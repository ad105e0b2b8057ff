"""The one place that turns a photo into 48x48 grey crops framed as FER-2013 frames a face."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.images import to_grey
from mien.infer.detect import BOX, LANDMARKS, Detection

SIDE = 48
"""Side of a crop, pixels."""

FRAME: dict[str, tuple[float, float]] = {
    "right_eye": (15.0, 18.9),
    "left_eye": (33.0, 18.9),
    "nose": (24.0, 29.2),
    "mouth": (24.0, 37.0),
    "right_ear": (6.1, 22.1),
    "left_ear": (41.9, 22.1),
}
"""Where FER-2013 has the landmarks of a face, in pixels of the crop; cards state it.

Measured with the detector before this one, BlazeFace, which saw ears. ``detect.LANDMARKS`` is the
same frame as today's detector sees it.
"""

ROLL = (10.0, 25.0)
"""Degrees: rolls up to the first are left alone, beyond the second turned upright in full.

Of FER-2013's faces nine in ten roll by less than 21 degrees (``tools/measure_frame.py``).
"""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


def crop_face(image: Bytes, detection: Detection) -> Bytes:
    """Cut a face to FER-2013's frame; rolled faces are turned upright as ``placement`` says.

    Args:
        image: (H, W, 3) RGB or (H, W) grey, any size.
        detection: the face, in pixels of ``image``.

    Returns:
        uint8 (48, 48). What lies outside of ``image`` repeats its edge.
    """
    return warp(image, placement(detection))


def placement(detection: Detection) -> Floats:
    """The similarity that takes pixels of a crop to pixels of the picture, (2, 3).

    Least squares of all landmarks on ``LANDMARKS``: in a side view the eyes alone stand too close
    together to tell the size. Falls back to the box where landmarks coincide. Rolls beyond
    ``ROLL`` are turned upright, smaller ones less and less: FER-2013 leaves them as they are.
    """
    frame = np.array(list(LANDMARKS.values()))
    points = detection.landmarks.astype(np.float64)
    if np.ptp(points, axis=0).max() < 1:
        left, top, right, bottom = detection.box
        frame = np.array(BOX).reshape(2, 2)
        points = np.array([[left, top], [right, bottom]])
    upright = similarity(frame, points)
    roll = np.arctan2(upright[1, 0], upright[0, 0])
    kept_from, kept_to = np.radians(ROLL)
    share = np.clip((kept_to - abs(roll)) / (kept_to - kept_from), 0, 1)
    back = -roll * share * share * (3 - 2 * share)  # a smooth step, so that video does not jump
    turn = np.array([[np.cos(back), -np.sin(back)], [np.sin(back), np.cos(back)]])
    linear = upright[:, :2] @ turn
    return np.column_stack([linear, points.mean(axis=0) - linear @ frame.mean(axis=0)])


def scale_of(matrix: Floats) -> float:
    """Pixels of the picture in one of the crop, of a similarity (2, 3)."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def similarity(source: Floats, target: Floats) -> Floats:
    """Rotation, one scale and shift that take points (N, 2) closest to others, as (2, 3).

    Least squares over complex numbers: with both sets centred, target = factor * source.
    """
    a, b = source @ (1, 1j), target @ (1, 1j)
    centred = a - a.mean()
    factor = np.vdot(centred, b - b.mean()) / np.vdot(centred, centred)
    shift = b.mean() - factor * a.mean()
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def warp(image: Bytes, matrix: Floats, side: int = SIDE) -> Bytes:
    """Read a ``side`` by ``side`` crop out of a picture: area averaging down, then one affine.

    Args:
        image: (H, W, 3) RGB or (H, W) grey.
        matrix: (2, 3), from continuous crop coordinates (0 to ``side``) to the picture's.
        side: of the crop, pixels.

    Returns:
        uint8 (side, side) grey.
    """
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]]) @ matrix.T
    scale = scale_of(matrix)
    low = np.floor(corners.min(axis=0) - 2 * max(scale, 1)).astype(int)
    high = np.ceil(corners.max(axis=0) + 2 * max(scale, 1)).astype(int)
    region = Image.fromarray(_region(image, low, high))
    if scale > 1:
        size = (max(1, round(region.width / scale)), max(1, round(region.height / scale)))
        shrink = np.array(size) / region.size
        region = region.resize(size, Image.Resampling.BOX)
    else:
        shrink = np.ones(2)
    local = matrix.copy()
    local[:, 2] -= low
    local *= shrink[:, None]
    return np.asarray(
        region.transform(
            (side, side), Image.Transform.AFFINE, local.ravel().tolist(), Image.Resampling.BICUBIC
        )
    )


def to_crop(picture: Bytes) -> Bytes:
    """A whole picture as one crop.

    (48, 48) passes through untouched. Anything else is made grey, cut to the square in its centre
    (bars or a squeezed face would be unlike anything that the network was trained on), and
    resized: area averaging down, bilinear up.

    Args:
        picture: (H, W, 3) RGB or (H, W) grey.

    Returns:
        uint8 (48, 48).
    """
    grey = to_grey(picture)
    if grey.shape == (SIDE, SIDE):
        return grey
    height, width = grey.shape
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = Image.fromarray(grey[top : top + short, left : left + short])
    method = Image.Resampling.BOX if short > SIDE else Image.Resampling.BILINEAR
    return np.asarray(square.resize((SIDE, SIDE), method))


def _region(image: Bytes, low: NDArray[np.int_], high: NDArray[np.int_]) -> Bytes:
    """Grey pixels between two corners (x, y); beyond the picture its edge is repeated."""
    height, width = image.shape[:2]
    inside_low = np.clip(low, 0, (width - 1, height - 1))
    inside_high = np.clip(high, inside_low + 1, (width, height))
    inside = image[inside_low[1] : inside_high[1], inside_low[0] : inside_high[0]]
    before, after = np.maximum(inside_low - low, 0), np.maximum(high - inside_high, 0)
    return np.pad(to_grey(inside), ((before[1], after[1]), (before[0], after[0])), mode="edge")
