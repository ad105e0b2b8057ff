"""Inspect a body before it is decoded: grey crops, or a picture of some size."""

import io
import re
from collections.abc import Sequence
from functools import cache

from PIL import Image

from mien.infer.crop import SIDE
from mien.web.limits import Limits
from mien.web.problems import Problem
from mien.web.uploads import RAW, Upload

CROP_BYTES = SIDE * SIDE
_DANGEROUS = {"EPS", "WMF", "ICO"}  # as in mien.images: opening them runs programs, or decodes
_BEGINNING = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff[\xc0-\xfe]|GIF8[79]a|II\*\0|MM\0\*|RIFF.{4}WEBP|.{4}ftyp"
    rb"|P[1-7]\s+[#\d]",
    re.DOTALL,
)


def is_raw(upload: Upload) -> bool:
    """Whether these are grey crops one after the other.

    curl states ``application/octet-stream`` for every picture but JPEG, PNG and GIF, so what has
    another size than crops, or begins as pictures do, is a picture.
    """
    data = upload.data
    if upload.media != RAW or not data or len(data) % CROP_BYTES:
        return False
    # Two letters alone may well be two grey levels; a BMP states its own size after them.
    bitmap = data[:2] == b"BM" and int.from_bytes(data[2:6], "little") == len(data)
    return not (bitmap or _BEGINNING.match(data))


def check_crops(uploads: Sequence[Upload], limits: Limits, *, cam: bool = False) -> None:
    """Count the crops of a whole request: grey bytes hold many, any picture is one.

    Raises:
        Problem: 413 too many, which are fewer where activation maps are asked for.
    """
    total = sum(len(u.data) // CROP_BYTES if is_raw(u) else 1 for u in uploads)
    if total > limits.crops:
        raise Problem(413, f"more than {limits.crops} crops in one request; send fewer at a time")
    if cam and total > limits.maps:
        raise Problem(
            413, f"more than {limits.maps} crops with cam=true in one request; send fewer at a time"
        )


def odd_size(upload: Upload) -> str:
    """What else is wrong with grey bytes that were taken for a picture."""
    if upload.media != RAW or not upload.data:
        return ""
    return (
        f"; nor are {len(upload.data)} bytes a whole number of 48x48 crops "
        f"({CROP_BYTES} bytes each)"
    )


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in Image.ID if name not in _DANGEROUS)


def pixels_of(data: bytes) -> int:
    """Pixels that a picture's head states; 0 for what no decoder will take."""
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            return image.width * image.height
    except Exception:  # decoders raise nearly every kind; whoever decodes it says what is wrong
        return 0
