"""What Pillow gets wrong in TIFF files: corrected, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

_NEW_SUBFILE_TYPE, _BITS, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT = 254, 258, 262, 284, 339
_DNG_VERSION = 50706
_WHITE_IS_ZERO, _SEPARATE, _UNSIGNED, _SIGNED = 0, 2, 1, 2


def refusal(image: Image.Image) -> str | None:
    """Why the first page cannot be read rightly, with a remedy; None if it can.

    Args:
        image: as Pillow opened it, whatever its format; its pixels need not be loaded.
    """
    if image.format not in ("TIFF", "MPO") or not hasattr(image, "tag_v2"):
        return None
    if _DNG_VERSION in image.tag_v2:
        return "a raw photo (DNG), of which only the thumbnail could be read; export it as JPEG"
    if image.tag_v2.get(_NEW_SUBFILE_TYPE, 0) & 1:
        return "its first page is the thumbnail of another one; save the picture itself as JPEG"
    deepest = max(image.tag_v2.get(_BITS, (1,)))
    if image.tag_v2.get(_PLANAR) == _SEPARATE and deepest > 8:
        return "a TIFF with 16-bit colours in separate planes; save it with 8 bits a channel"
    if _SIGNED in image.tag_v2.get(_SAMPLE_FORMAT, ()) and deepest < 32:
        return "a TIFF with signed levels; save it with unsigned ones"
    return None


def levels(image: Image.Image) -> NDArray[np.generic]:
    """Grey levels of more than 8 bits (H, W) as the file means them, with black at zero.

    Args:
        image: a loaded picture of mode ``I``, ``I;16`` or ``F``, of any format.
    """
    values: NDArray[np.generic] = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    unsigned = _UNSIGNED in tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))
    # Pillow keeps 32 unsigned bits as signed ones: the bright half comes out negative.
    if values.dtype == np.int32 and tags.get(_BITS) == (32,) and unsigned:
        values = values.view(np.uint32)
    if tags.get(_PHOTOMETRIC) != _WHITE_IS_ZERO:
        return values
    if values.dtype.kind == "f":
        floats = values.astype(np.float64)
        return (255 if floats.max(initial=0) > 2 else 1) - floats
    white = np.iinfo(str(values.dtype)).max
    inverted: NDArray[np.generic] = (white - values.astype(np.int64)).astype(values.dtype)
    return inverted
