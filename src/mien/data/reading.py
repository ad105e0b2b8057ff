"""Decodes a source once into one file of 48x48 crops, and notes what was wrong with each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mien.atomic import replacing
from mien.data import check
from mien.data.cache import Arrays, Cache, key_of
from mien.data.dataset import SIZE, fit, pixel_hash
from mien.data.listing import Listing
from mien.data.pixelcsv import decode_pixels
from mien.images import read, to_grey

CHUNK = 2048
Progress = Callable[[str, int, int], None]
"""Called with a stage's name, the pictures done and their number."""


def quiet(stage: str, done: int, total: int) -> None:
    """Progress for nobody."""


@dataclass(frozen=True)
class Crops:
    """The decoded source: pixels stay in a file, so memory does not grow with them.

    ``path`` a ``.npy`` of uint8 (N, 48, 48); ``reason`` (N,) why a picture is unusable, "" if it
    is not; ``detail`` the same for people, by row; ``sha256`` (N,) of the 2,304 pixels, in hex;
    ``resized`` and ``colour`` (N,) bool, what was changed on the way; ``key`` names the whole
    content.
    """

    path: Path
    reason: NDArray[np.str_]
    detail: Mapping[int, str]
    sha256: NDArray[np.bytes_]
    resized: NDArray[np.bool_]
    colour: NDArray[np.bool_]
    key: str

    def rows(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """(n, 48, 48) the chosen crops."""
        images = np.empty((len(index), SIZE, SIZE), np.uint8)
        # Plain reads: a memory map would keep every page it touches, and those around it.
        with self.path.open("rb", buffering=0) as file:
            npy.read_magic(file)
            npy.read_array_header_1_0(file)
            start = file.tell()
            if len(index) and (np.diff(index) == 1).all():
                file.seek(start + int(index[0]) * images[0].size)
                file.readinto(images.data)
                return images
            for image, row in zip(images, index.tolist(), strict=True):
                file.seek(start + row * image.size)
                file.readinto(image.data)
        return images


def read_crops(listing: Listing, cache: Cache, progress: Progress = quiet) -> Crops:
    """Decode every picture of a listing, or find that done for exactly these bytes before."""
    key = key_of("crops", 2, listing.digest())
    pixels = cache.path("crops", key, ".npy")
    table = cache.path("crops", key, ".npz")
    if not (pixels.exists() and table.exists()):
        for old in cache.folder.glob("crops-*"):
            old.unlink()
        with replacing(pixels) as part:
            columns = _decode(listing, part, progress)
        with replacing(table) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, **columns)
    with np.load(table) as stored:
        columns = {name: stored[name] for name in stored.files}
    told = zip(columns.pop("told").tolist(), columns.pop("told_what").tolist(), strict=True)
    return Crops(path=pixels, key=key, detail=dict(told), **columns)


def _decode(listing: Listing, path: Path, progress: Progress) -> Arrays:
    count = len(listing)
    images = npy.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, SIZE, SIZE))
    offset = images.offset
    del images
    reason = [""] * count
    detail: dict[int, str] = {}
    digest = np.zeros(count, "S64")
    resized, colour = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    raw = listing.raw()
    with path.open("r+b") as file:
        file.seek(offset)
        for first in range(0, count, CHUNK):
            batch = np.zeros((min(CHUNK, count - first), SIZE, SIZE), np.uint8)
            for i in range(len(batch)):
                row = first + i
                try:
                    picture, colour[row] = _picture(next(raw), listing.start is not None)
                except (ValueError, OSError) as error:
                    reason[row] = check.UNREADABLE
                    detail[row] = str(error).removeprefix("image: ")
                    continue
                if problem := check.size_problem(*picture.shape):
                    reason[row], detail[row] = check.WRONG_SIZE, problem
                resized[row] = picture.shape != (SIZE, SIZE)
                batch[i] = fit(picture)
            for i, flat in enumerate(check.flat_reasons(batch)):
                reason[first + i] = reason[first + i] or flat
                digest[first + i] = pixel_hash(batch[i])
            file.write(batch.tobytes())
            progress("read", first + len(batch), count)
    return {
        "reason": np.array(reason),
        # Messages are few, and numpy would give every row the length of the longest.
        "told": np.array(sorted(detail), np.int64),
        "told_what": np.array([detail[row] for row in sorted(detail)], np.str_),
        "sha256": digest,
        "resized": resized & np.array([r == "" for r in reason]),
        "colour": colour,
    }


def _picture(raw: bytes, is_text: bool) -> tuple[NDArray[np.uint8], bool]:
    if is_text:
        return decode_pixels(raw), False
    rgb = read(raw)
    return to_grey(rgb), bool((rgb[..., 0] != rgb[..., 1]).any())
