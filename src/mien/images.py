"""Any picture in, upright uint8 RGB array out; the only place that knows colour order."""

import io
import os
import struct
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from mien import tiff
from mien.opening import CHOICES, MAX_BYTES, RAW, in_memory, open_file, shortened
from mien.opening import ImageError as ImageError

MAX_PIXELS = 100_000_000
"""Largest picture that ``read`` decodes, in pixels; about 300 MB as an array."""
SUFFIXES = RAW | frozenset((
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".j2c", ".j2k", ".jfif",
    ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".jxl", ".mpo", ".pbm", ".pcx",
    ".pgm", ".png", ".pnm", ".ppm", ".psd", ".qoi", ".tga", ".tif", ".tiff", ".webp",
))  # fmt: skip
"""File name endings that folders are searched for.

Some are of formats that mien does not read, such as raw photos: each gives an error, and none is
passed over.
"""

_COMMON = ("JPEG", "PNG", "GIF", "BMP", "PPM")  # known to Pillow without loading all plugins
_STRIP = 256
OVERSHOOT = 2
"""Largest value that floats of 0 to 1 may reach, as bicubic resizing leaves them; what is brighter
is of 0 to 255, where nothing but black would be as dark.
"""
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow and OpenCV
Source = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | NDArray[np.generic]


def is_picture(name: str) -> bool:
    """Whether folders are searched for a file of this name: by its ending, and not hidden."""
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def read(source: Source, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read a picture as an upright RGB array.

    Applies the EXIF orientation, lays transparency on white, scales 16-bit and floating-point
    grey to 8 bits, converts CMYK and palettes, and takes the first frame of an animation.
    JPEGs are decoded in full: small faces need every pixel. HEIC needs the extra ``heic``.

    Args:
        source: path, encoded bytes, a file opened in mode ``"rb"``, a Pillow image, or an array:
            (H, W) or (H, W, 1) grey, (H, W, 3) RGB, (H, W, 4) RGBA; bool, uint8, uint16, or
            floats in 0..1 (0..255 if any is above 2: a resized 0..1 picture can overshoot).
        max_pixels: larger pictures are refused before they are decoded; files above 178
            megapixels always are, by Pillow.

    Returns:
        uint8 (H, W, 3), RGB, contiguous, possibly read-only.

    Raises:
        ImageError: missing, empty, truncated, unknown, too large, an array of another shape, or
            nothing that a picture could be read from.
    """
    name = "image"
    try:
        if isinstance(source, np.ndarray):
            return _from_array(source, max_pixels)
        if isinstance(source, Image.Image):
            return _from_pil(source, name, max_pixels)
        if isinstance(source, bytes | bytearray | memoryview):
            return _from_file(io.BytesIO(source), name, max_pixels)
        if isinstance(source, str | os.PathLike):
            name = shortened(os.fsdecode(source))
            with open_file(os.fsdecode(source), name) as file:
                return _from_file(file, name, max_pixels)
        if hasattr(source, "read"):
            return _from_file(in_memory(source, name), name, max_pixels)
    except MemoryError:
        raise ImageError(
            f"{name}: not enough memory to decode it; use fewer threads, or scale it down"
        ) from None
    if source is None:
        raise ImageError(f"image is None, as cv2.imread returns it for no picture; {CHOICES}")
    raise ImageError(f"image is of type {type(source).__name__}; {CHOICES}")


def to_grey(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma (ITU-R BT.601) of an RGB array: uint8 (H, W, 3) to (H, W); (H, W) passes through."""
    if rgb.ndim == 2:
        return rgb
    grey = np.empty(rgb.shape[:2], np.uint8)
    for top in range(0, len(rgb), _STRIP):  # a whole picture of floats would be a gigabyte
        rows = rgb[top : top + _STRIP]
        grey[top : top + _STRIP] = np.rint(rows.astype(np.float32) @ _GREY)
    return grey


def _from_file(file: IO[bytes], name: str, max_pixels: int) -> NDArray[np.uint8]:
    """Decode an open file; Pillow reads no more of it than it needs."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not size:
        raise ImageError(f"{name}: empty file; copy or download it again")
    if size > MAX_BYTES:
        raise ImageError(
            f"{name}: a file of {size / 1e9:.1f} GB is above the limit of {MAX_BYTES / 1e9:.1f} GB;"
            " save it in a compressed format"
        )
    head = file.read(32)
    file.seek(0)
    try:
        with _open(file, head) as image:
            return _from_pil(image, name, max_pixels)
    except Image.DecompressionBombError:
        own = 2 * (Image.MAX_IMAGE_PIXELS or max_pixels)
        raise _too_large(name, min(max_pixels, own)) from None
    except UnidentifiedImageError:
        raise ImageError(f"{name}: {_unknown(head)}") from None
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise _damaged(name, error) from None


def _open(file: IO[bytes], head: bytes) -> Image.Image:
    try:
        return Image.open(file, formats=_COMMON)
    except UnidentifiedImageError:
        try:
            return Image.open(file, formats=_formats())
        except UnidentifiedImageError:
            if not _is_heif(head):
                raise
            try:
                from pillow_heif import HeifImageFile
            except ImportError:
                raise UnidentifiedImageError from None
            file.seek(0)
            image: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call]
            return image


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in (
        b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1",
    )  # fmt: skip


def _unknown(head: bytes) -> str:
    """What to say of a file that nothing installed can read, by how it begins."""
    if _is_heif(head):
        return "a HEIC photo; install the extra, pip install 'mien[heic]', or export it as JPEG"
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis"):
        return "an AVIF picture, which needs Pillow 11.3 or newer; upgrade it, or export it as JPEG"
    return "not a picture in a format that mien reads; convert it to JPEG or PNG"


@cache
def _formats() -> tuple[str, ...]:
    """What Pillow opens safely.

    EPS and WMF run other programs, for as long as a file likes; an ICO's picture is decoded before
    its size can be looked at.
    """
    Image.init()
    return tuple(name for name in Image.ID if name not in {"EPS", "WMF", "ICO"})


def _from_pil(image: Image.Image, name: str, max_pixels: int) -> NDArray[np.uint8]:
    _check_size(image.width, image.height, name, max_pixels)
    try:
        if reason := tiff.refusal(image):
            raise ImageError(f"{name}: {reason}")
        image = _loaded(image)
        return np.asarray(_to_rgb(_upright(image)))
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        raise _damaged(name, error) from None


def _loaded(image: Image.Image) -> Image.Image:
    """The picture with its pixels; a JPEG that lacks nothing but its end mark is whole."""
    try:
        image.load()
    except OSError:
        file = getattr(image, "fp", None)
        if image.format != "JPEG" or image.info.get("progressive") or file is None:
            raise  # each scan of a progressive one refines all pixels: it may lack the last
        file.seek(0)
        data = file.read().rstrip(b"\xff")  # half an end mark
        # Pixels that are still to come would be decoded from what is put in their place.
        ends = (filling * 512 + b"\xff\xd9" for filling in (b"\x00", b"\x55"))
        one, other = (Image.open(io.BytesIO(data + end), formats=("JPEG",)) for end in ends)
        if one.tobytes() != other.tobytes():
            raise
        return one
    return image


def _upright(image: Image.Image) -> Image.Image:
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:  # the pixels are whole: a damaged EXIF block is no reason to refuse them
        return image


def _damaged(name: str, error: Exception) -> ImageError:
    """What to say of a file that breaks a decoder; Pillow's raise nearly every kind of error."""
    if isinstance(error, OSError) and error.errno is not None:  # Pillow's own have no number
        return ImageError(f"{name}: cannot be read ({error.strerror}); check the disk or network")
    if "truncated" in str(error).lower() or isinstance(error, EOFError | struct.error):
        return ImageError(f"{name}: the file is cut short; copy or download it again")
    reason = " ".join(str(error).split()) or type(error).__name__
    return ImageError(f"{name}: damaged picture ({reason}); save it again from its source")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _deep_grey(tiff.levels(image)).convert("RGB")
    if image.mode == "RGB" and not image.has_transparency_data:
        return image  # converting would copy
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _deep_grey(values: NDArray[np.generic]) -> Image.Image:
    """Scale grey of more than 8 bits: 32 bits by the range they fit in, floats as in ``read``."""
    if np.issubdtype(values.dtype, np.floating):
        return Image.fromarray(_float_to_byte(values.astype(np.float64)))
    if values.dtype.itemsize == 2:
        return Image.fromarray(_LEVELS[values])
    whole = values.astype(np.int64).clip(0)
    if whole.max(initial=0) <= 255:
        return Image.fromarray(whole.astype(np.uint8))
    if whole.max() <= 65535:
        return Image.fromarray(_LEVELS[whole])
    white = 2**32 - 1 if values.dtype.kind == "u" else 2**31 - 1
    return Image.fromarray(_to_byte(whole / white))


def _from_array(array: NDArray[np.generic], max_pixels: int) -> NDArray[np.uint8]:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ImageError(
            f"array of shape {array.shape}: not a picture; give (H, W), (H, W, 3) or (H, W, 4)"
        )
    _check_size(array.shape[1], array.shape[0], "array", max_pixels)
    if array.dtype == np.bool_:
        pixels = _to_byte(array.astype(np.float64))
    elif array.dtype == np.uint8:
        pixels = array.astype(np.uint8, copy=False)
    elif array.dtype.kind == "u" and array.dtype.itemsize == 2:
        pixels = _LEVELS[array]
    elif np.issubdtype(array.dtype, np.floating):
        pixels = _float_to_byte(array.astype(np.float64))
    else:
        raise ImageError(f"array of {array.dtype}: not a picture; give uint8, uint16 or floats")
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.shape[2] == 4:
        return np.asarray(_to_rgb(Image.fromarray(pixels)))
    return np.ascontiguousarray(pixels)


def _float_to_byte(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    if not np.isfinite(values).all():
        raise ImageError("array with NaN or infinite values: not a picture; replace them first")
    return _to_byte(values / 255 if values.max(initial=0) > OVERSHOOT else values)


def _to_byte(unit: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)


_LEVELS = _to_byte(np.arange(65536) / 65535)
"""The byte of each 16-bit level: a picture of floats in its place takes 34 bytes a pixel."""


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise ImageError(f"{name}: {width}x{height} pixels; give a picture that has some")
    if width * height > max_pixels:
        raise _too_large(name, max_pixels, f" of {width}x{height} pixels")


def _too_large(name: str, max_pixels: int, size: str = "") -> ImageError:
    return ImageError(
        f"{name}: picture{size} is above the limit of {max_pixels / 1e6:g} megapixels; "
        "scale it down first"
    )
