"""Pictures as people have them: odd formats, cut files, and what else is passed for a picture."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from mien.images import ImageError, read

SHAPE = (40, 60)
ROWS, COLUMNS = np.mgrid[0:40, 0:60]
UNIT = np.stack([COLUMNS / 59, ROWS / 39, (ROWS + COLUMNS) / 98], axis=2)
GREY = UNIT[:, :, 0]


def tiff(values: np.ndarray, kind: type, **options: object) -> bytes:
    """Levels of 0 to 1 as a TIFF of a type."""
    if np.issubdtype(kind, np.integer):
        values = np.rint(values * np.iinfo(kind).max)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values.astype(kind), **options)
    return buffer.getvalue()


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint32, np.float32])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey_of_any_depth_is_right(kind, photometric, compression):
    stored = GREY if photometric == "minisblack" else 1 - GREY
    data = tiff(stored, kind, photometric=photometric, compression=compression)
    try:
        got = read(data)
    except ImageError:
        assert (kind, photometric) == (np.uint32, "miniswhite")  # Pillow knows no such TIFF
        return
    assert np.abs(got[:, :, 1] - GREY * 255).max() <= 1


PLANES = {"photometric": "rgb", "planarconfig": "separate"}
THUMBNAIL = {"photometric": "rgb", "subfiletype": 1}
RAW = {"photometric": "rgb", "extratags": [(50706, "B", 4, (1, 4, 0, 0), True)]}


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (tiff(UNIT.transpose(2, 0, 1).copy(), np.uint16, **PLANES), "separate planes"),
        (tiff(UNIT, np.uint8, **THUMBNAIL), "thumbnail"),
        (tiff(UNIT, np.uint8, **RAW), "raw photo"),
        (tiff(GREY, np.int16, photometric="minisblack"), "signed"),
    ],
)
def test_what_would_be_misread_is_refused(data, word):
    with pytest.raises(ImageError, match=word):
        read(data)


def test_planes_of_8_bits_are_read():
    data = tiff(UNIT.transpose(2, 0, 1).copy(), np.uint8, **PLANES)
    assert np.abs(read(data) - UNIT * 255).max() <= 1


def jpeg(**options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize((160, 120)).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"optimize": True}, {"quality": 30}])
def test_a_jpeg_that_lacks_its_end_mark_alone_is_read(options):
    whole = jpeg(**options)
    for cut in (1, 2):
        np.testing.assert_array_equal(read(whole[:-cut]), read(whole))
    for cut in (4, 10, 200, len(whole) // 2):
        with pytest.raises(ImageError, match="cut short"):
            read(whole[:-cut])


def test_a_progressive_jpeg_that_is_cut_is_refused():
    whole = jpeg(progressive=True)
    for cut in range(2, len(whole) - 700, 200):
        with pytest.raises(ImageError, match="cut short"):
            read(whole[:-cut])


PHOTO = jpeg()


class Stream:
    """Something that can be read once, as an answer from the network."""

    def __init__(self, data):
        self.data = data

    def read(self, size):
        return self.data


def spent(data):
    """A buffer that stands at its end, as ``Image.save`` leaves it."""
    buffer = io.BytesIO(data)
    buffer.seek(0, io.SEEK_END)
    return buffer


@pytest.mark.parametrize("wrap", [io.BytesIO, spent, Stream, bytearray, memoryview])
def test_open_files_and_buffers_are_read(wrap):
    np.testing.assert_array_equal(read(wrap(PHOTO)), read(PHOTO))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, ("None", "cv2.imread", "give a path")),
        (7, ("int", "give a path")),
        ([PHOTO], ("list", "give a path")),
        (io.StringIO("text"), ("str", "'rb'")),
        (Stream(None), ("NoneType", "'rb'")),
        ("data:image/jpeg;base64," + base64.b64encode(PHOTO).decode(), ("data URI", "base64")),
        ("https://example.org/a.jpg", ("an address", "download")),
        ("a\0b.jpg", ("NUL",)),
        (base64.b64encode(PHOTO * 9).decode(), ("cannot be opened",)),
        (b"", ("empty",)),
        ("IMG_1.NEF", ("no such file",)),
    ],
)
def test_what_else_is_given_gets_one_short_sentence(given, words):
    with pytest.raises(ImageError) as caught:
        read(given)
    message = str(caught.value)
    assert len(message) < 450 and "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("suffix", [".nef", ".CR2", ".arw"])
def test_raw_photos_are_named(tmp_path, suffix):
    path = tmp_path / f"IMG_1{suffix}"
    path.write_bytes(tiff(UNIT, np.uint8, photometric="rgb"))  # a camera's thumbnail
    with pytest.raises(ImageError, match="a raw photo"):
        read(path)


def heic() -> bytes:
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    image = Image.fromarray(np.rint(np.kron(UNIT, np.ones((4, 4, 1))) * 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    heif.from_pillow(image).save(buffer, exif=exif.tobytes())
    return buffer.getvalue()


def test_heic_is_read_upright_with_its_extra_and_named_without(monkeypatch):
    data = heic()
    assert read(data).shape == (240, 160, 3)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)  # as scikit-image leaves it there
    monkeypatch.setattr("mien.images._formats", lambda: ("JPEG", "PNG"))
    with pytest.raises(ImageError, match=r"HEIC.*mien\[heic\]"):
        read(data)


@pytest.mark.parametrize("kind", ["JPEG2000", "MPO", "TGA", "PCX", "QOI"])
def test_what_pillow_reads_is_read(kind):
    if kind == "QOI" and kind not in Image.SAVE:
        pytest.skip("an older Pillow")
    buffer = io.BytesIO()
    Image.fromarray(np.rint(UNIT * 255).astype(np.uint8)).save(buffer, kind)
    assert np.abs(read(buffer.getvalue()).astype(int) - UNIT * 255).mean() < 4


def test_an_error_of_memory_is_not_called_damage(monkeypatch):
    def load(self):
        raise MemoryError

    data = jpeg()
    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.load", load)
    with pytest.raises(ImageError, match="not enough memory") as caught:
        read(data)
    assert "damaged" not in str(caught.value)


MEASURE = """
import resource, sys
from mien.images import ImageError, read
read(sys.argv[1]); before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try: read(sys.argv[2])
except ImageError as error: said = error
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, said)
"""


@pytest.mark.parametrize("size", [900_000_000, 3_000_000_000])
def test_a_large_file_that_is_no_picture_takes_no_memory(tmp_path, size):
    (tmp_path / "good.jpg").write_bytes(PHOTO)
    with (tmp_path / "film.jpg").open("wb") as file:
        file.truncate(size)  # zeros that take no room
    command = [sys.executable, "-c", MEASURE, tmp_path / "good.jpg", tmp_path / "film.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "film.jpg: " in done.stdout
    assert int(done.stdout.split()[0]) < 50_000  # KB


@pytest.mark.skipif(os.name != "posix", reason="pipes have names")
def test_a_named_pipe_is_refused_and_the_shells_are_read(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="a pipe"):
        read(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="device"):
        read("/dev/zero")
    if not Path("/dev/fd").exists():
        return
    out, into = os.pipe()
    writer = threading.Thread(target=lambda: (os.write(into, PHOTO), os.close(into)))
    writer.start()
    np.testing.assert_array_equal(read(f"/dev/fd/{out}"), read(PHOTO))
    writer.join()
    os.close(out)
