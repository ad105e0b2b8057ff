import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien import images
from mien.images import ImageError, read, to_grey


def ramp(height: int = 40, width: int = 60) -> np.ndarray:
    """Smooth colours that differ in every corner and channel."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 / (width - 1), y * 255 / (height - 1), (x + y) * 255 / (width + height - 2)]
    return np.stack(channels, axis=2).round().astype(np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_path_bytes_pillow_and_array_agree(tmp_path: Path) -> None:
    expected = ramp()
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(expected)))
    for source in (path, str(path), path.read_bytes(), Image.fromarray(expected), expected):
        got = read(source)
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    upright = ramp()
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(undo[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {}
    got = read(encoded(stored, kind, exif=exif, **options))
    assert got.shape == upright.shape
    assert np.abs(got.astype(int) - upright).mean() < 3


def test_grey_becomes_three_equal_channels() -> None:
    grey = ramp()[:, :, 0]
    for source in (encoded(Image.fromarray(grey)), grey, grey[:, :, None]):
        np.testing.assert_array_equal(read(source), np.repeat(grey[:, :, None], 3, axis=2))


def test_transparency_is_laid_on_white() -> None:
    rgba = np.dstack([ramp(), np.zeros((40, 60), np.uint8)])
    rgba[:20, :, 3] = 255
    for source in (encoded(Image.fromarray(rgba)), rgba):
        got = read(source)
        np.testing.assert_array_equal(got[:20], rgba[:20, :, :3])
        assert (got[20:] == 255).all()


def test_transparent_palette_and_grey_with_alpha() -> None:
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 200, 10, 20])
    palette.putpixel((0, 0), 0)
    got = read(encoded(palette, "PNG", transparency=0))
    assert got[0, 0].tolist() == [255, 255, 255]
    assert got[4, 4].tolist() == [200, 10, 20]
    assert read(encoded(Image.new("LA", (4, 4), (7, 0))))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    deep = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    got = read(encoded(Image.fromarray(deep), kind))
    expected = np.rint(deep / 257).astype(np.uint8)
    assert np.abs(got[:, :, 0].astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(read(deep)[:, :, 0], expected)


def test_dark_16_bit_stays_dark() -> None:
    assert read(np.full((4, 4), 200, np.uint16)).max() == 1
    assert read(encoded(Image.fromarray(np.full((4, 4), 200, np.uint16)))).max() == 1


def test_floats_in_both_ranges() -> None:
    unit = ramp() / 255
    np.testing.assert_array_equal(read(unit), ramp())
    np.testing.assert_array_equal(read(unit * 255), ramp())
    overshot = np.where(unit > 0.9, unit * 1.1, unit)  # as resizing leaves it
    np.testing.assert_array_equal(read(overshot)[unit <= 0.9], ramp()[unit <= 0.9])


def test_cmyk_jpeg() -> None:
    cmyk = Image.fromarray(ramp()).convert("CMYK")
    got = read(encoded(cmyk, "JPEG", quality=98))
    assert got.shape == (40, 60, 3)
    assert np.abs(got.astype(int) - np.asarray(cmyk.convert("RGB"))).mean() < 6


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert np.abs(read(data).astype(int) - (255, 0, 0)).max() <= 2


def broken_files() -> dict[str, tuple[bytes, str]]:
    """Name, content, and a word that the error must hold."""
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    jpeg = encoded(Image.fromarray(noise), "JPEG")
    png = encoded(Image.fromarray(noise))
    return {
        "cut.jpg": (jpeg[: len(jpeg) // 2], "cut short"),
        "cut.png": (png[: len(png) // 2], "cut short"),
        "head.png": (png[:20], "cut short"),
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"not a picture at all, only words" * 20, "format"),
        "page.png": (b"<!doctype html><html></html>", "format"),
        "flipped.png": (png[:60] + bytes(200) + png[260:], "picture"),
    }


@pytest.mark.parametrize("name", broken_files())
def test_a_broken_file_gets_one_clear_sentence(name: str, tmp_path: Path) -> None:
    content, word = broken_files()[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and word in message
    assert "; " in message and "\n" not in message


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"])
def test_damage_of_any_kind_is_an_image_error_or_a_picture(kind: str) -> None:
    rng = np.random.default_rng(1)
    whole = np.frombuffer(encoded(Image.fromarray(ramp()), kind), np.uint8)
    for _ in range(60):
        data = whole.copy()
        data[rng.integers(0, len(data), 6)] = rng.integers(0, 256, 6)
        try:
            assert read(data[: rng.integers(1, len(data) + 1)].tobytes()).shape[2] == 3
        except ImageError as error:
            assert "\n" not in str(error)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        read(tmp_path / "none.jpg")
    with pytest.raises(ImageError, match="folder"):
        read(tmp_path)


def claimed(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is of this size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checked = kind + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [11_000, 30_000])
def test_bomb_is_refused_before_it_is_decoded(side: int) -> None:
    with pytest.raises(ImageError, match="limit of 100 megapixels"):
        read(claimed(side, side))


def test_limit_can_be_moved() -> None:
    data = encoded(Image.fromarray(ramp()))
    assert read(data, max_pixels=2400).shape == (40, 60, 3)
    with pytest.raises(ImageError, match="60x40"):
        read(data, max_pixels=2399)


@pytest.mark.parametrize(
    "array",
    [np.zeros((3, 4, 5), np.uint8), np.zeros(7, np.uint8), np.zeros((0, 4), np.uint8),
     np.zeros((4, 4), np.int64), np.full((4, 4), np.nan)],
)  # fmt: skip
def test_arrays_that_are_no_pictures(array: np.ndarray) -> None:
    with pytest.raises(ImageError):
        read(array)


def test_reading_leaves_the_caller_s_picture_alone() -> None:
    array = ramp()
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.open(io.BytesIO(encoded(Image.fromarray(array), exif=exif)))
    read(image)
    assert image.size == (60, 40)
    assert image.getexif()[0x0112] == 6
    np.testing.assert_array_equal(array, ramp())


def test_to_grey_agrees_with_pillow() -> None:
    expected = np.asarray(Image.fromarray(ramp()).convert("L")).astype(int)
    assert np.abs(to_grey(ramp()).astype(int) - expected).max() <= 1
    grey = ramp()[:, :, 0]
    assert to_grey(grey) is grey


def test_no_file_starts_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow hands EPS to Ghostscript, which runs whatever the file says, without end."""
    import shutil
    import subprocess

    def never(*args: object, **more: object) -> None:
        pytest.fail(f"started {args}")

    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    for name in ("Popen", "check_call", "run"):
        monkeypatch.setattr(subprocess, name, never)
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop\n"
    with pytest.raises(ImageError, match="not a picture"):
        read(eps)


def test_large_and_big_endian_pictures() -> None:
    tall = np.random.default_rng(0).integers(0, 256, (700, 3, 3)).astype(np.uint8)
    whole = np.rint(tall.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))
    np.testing.assert_array_equal(to_grey(tall), whole)
    deep = np.linspace(0, 65535, 48).reshape(6, 8).astype(np.uint16)
    np.testing.assert_array_equal(read(deep.astype(">u2")), read(deep))


def test_suffixes_are_lower_case() -> None:
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in images.SUFFIXES)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_a_damaged_exif_block_hides_no_pixels(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    plain = encoded(Image.fromarray(ramp()), kind, **options)
    damaged = encoded(Image.fromarray(ramp()), kind, exif=b"Exif\0\0garbage-not-tiff", **options)
    assert damaged != plain
    assert np.array_equal(read(damaged), read(plain))
