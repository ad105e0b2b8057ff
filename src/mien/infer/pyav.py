"""The few places where releases of PyAV differ, 14.0 to 19, behind one face.

Needs the extra ``video``.
"""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type

_LENIENT: dict[str, Any] = (
    # from 19 on, text that is not UTF-8 is always read leniently
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)
_PICTURE_CODECS = ("mjpeg", "png", "bmp", "gif", "webp", "tiff")


def open_input(name: str, **options: Any) -> Any:
    """A container to read; text in it that is not UTF-8 is no error."""
    return av.open(name, **options, **_LENIENT)


def number(rational: Any) -> float:
    """A ratio as a float; 0 where there is none (None, or 0/1 from PyAV 19 on)."""
    return float(rational) if rational is not None else 0.0


def is_cover(stream: Any) -> bool:
    """Whether a stream is a cover picture beside sound, not a film."""
    try:
        disposition = stream.disposition
    except AttributeError:  # PyAV 14.0
        return stream.name in _PICTURE_CODECS and not number(stream.average_rate)
    return bool(int(disposition) & 0x400)  # AV_DISPOSITION_ATTACHED_PIC


def orientation(frame: Any) -> tuple[bool, bool, bool]:
    """How to set a frame upright: swap rows with columns; then flip left-right; then upside down.

    Read off its display matrix (a, b, u; c, d, v; x, y, w), which takes the pixel (p, q) to
    (a p + c q, b p + d q); the nearest of the eight quarter turns and mirror images.
    """
    data = frame.side_data.get(Type.DISPLAYMATRIX)
    if data is None:
        return False, False, False
    a, b, _, c, d = (int(v) for v in np.frombuffer(bytes(data), np.int32)[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return True, c < 0, b < 0
    return False, a < 0, d < 0
