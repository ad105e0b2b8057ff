"""Where the evidence for an expression lies, laid over the picture as a heat map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.infer.crop import SIDE, placement
from mien.infer.detect import Detection
from mien.infer.results import Face

_STOPS = np.array(  # dark violet to yellow, even in lightness (after matplotlib's inferno)
    [[20, 11, 54], [101, 21, 110], [188, 55, 84], [237, 105, 37], [251, 180, 26], [252, 255, 164]],
    np.float32,
)


def heat(
    image: NDArray[np.uint8], faces: Sequence[Face], *, strength: float = 0.65
) -> NDArray[np.uint8]:
    """Lay each face's activation map of its top emotion over the picture.

    Args:
        image: (H, W, 3) RGB.
        faces: as ``analyze(…, cam=True)`` returned them for this picture; those without maps
            are passed over.
        strength: opacity of the hottest place, 0 to 1.

    Returns:
        (H, W, 3) RGB, a copy.
    """
    height, width = image.shape[:2]
    out = image.copy()
    for face in faces:
        cam = face.expression.cam
        if cam is None:
            continue
        levels = Image.fromarray(unit_map(cam[face.expression.top.position]))
        crop = levels.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        matrix = _to_crop(face, width, height)
        left, top, right, bottom = _around(matrix, width, height)
        part = out[top:bottom, left:right]
        if not part.size:
            continue
        # edges of the crop would show as a frame: the map fades towards them
        level, fade = (
            np.clip(np.asarray(_placed(map_, _moved(matrix, left, top), part.shape)), 0, 1)
            for map_ in (crop, Image.fromarray(_window()))
        )
        opacity = (strength * fade * (0.25 + 0.75 * level))[:, :, None]
        part[:] = np.rint(np.clip(part + opacity * (colours(level) - part), 0, 255))
    return out


def _placed(crop: Image.Image, matrix: tuple[float, ...], shape: tuple[int, ...]) -> Image.Image:
    size = (shape[1], shape[0])
    return crop.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _around(matrix: tuple[float, ...], width: int, height: int) -> tuple[int, int, int, int]:
    """The part of the picture that the crop covers: left, top, right, bottom."""
    back = np.linalg.inv(np.vstack([np.reshape(matrix, (2, 3)), [0, 0, 1]]))
    corners = back @ np.array([[0, SIDE, 0, SIDE], [0, 0, SIDE, SIDE], [1, 1, 1, 1]])
    low, high = np.floor(corners.min(axis=1)) - 1, np.ceil(corners.max(axis=1)) + 1
    left, right = np.clip((low[0], high[0]), 0, width)
    top, bottom = np.clip((low[1], high[1]), 0, height)
    return int(left), int(top), int(right), int(bottom)


def _moved(matrix: tuple[float, ...], left: int, top: int) -> tuple[float, ...]:
    """The matrix for a picture whose first pixel is at ``left``, ``top``."""
    a, b, c, d, e, f = matrix
    return (a, b, c + a * left + b * top, d, e, f + d * left + e * top)


def unit_map(cam: NDArray[np.float32]) -> NDArray[np.float32]:
    """One class's map with its evidence against cut off, and its peak at 1."""
    positive = np.maximum(cam, 0)
    unit: NDArray[np.float32] = (positive / max(float(positive.max()), 1e-9)).astype(np.float32)
    return unit


def colours(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """RGB (…, 3), 0 to 255, of levels from 0 to 1."""
    at = level * (len(_STOPS) - 1)
    channels = [np.interp(at, np.arange(len(_STOPS)), _STOPS[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _window() -> NDArray[np.float32]:
    edge = np.clip((SIDE / 2 - np.abs(np.arange(SIDE) - (SIDE - 1) / 2)) / 6, 0, 1)
    return np.outer(edge, edge).astype(np.float32)


def _to_crop(face: Face, width: int, height: int) -> tuple[float, ...]:
    """Pillow's affine coefficients: pixels of the picture to pixels of the crop."""
    if face.landmarks is None:  # the picture's central square is the crop
        short = min(width, height)
        step = SIDE / short
        return (step, 0, -(width - short) / 2 * step, 0, step, -(height - short) / 2 * step)
    detection = Detection(face.box, np.array(face.landmarks, np.float32), face.score)
    forward = np.vstack([placement(detection), [0, 0, 1]])
    return tuple(float(v) for v in np.linalg.inv(forward)[:2].ravel())
