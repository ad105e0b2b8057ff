"""Decodes a source once into one file of 48x48 crops, and notes what was wrong with each."""

from __future__ import annotations

import collections
import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mien.atomic import replacing
from mien.data import check
from mien.data.cache import Arrays, Cache, key_of
from mien.data.dataset import SIZE, fit, pixel_hash
from mien.data.entries import NO_LABEL, Listing
from mien.data.formats.pixelcsv import decode_pixels
from mien.data.photos import UNSEARCHED, Finder, Framed, frame, is_photo
from mien.images import read, to_grey

DECODED_AT_A_TIME = 1024
"""Pictures decoded between two saves; a run that was stopped goes on from the last."""
TELL = 16
"""Photos searched between two reports of progress."""
Progress = Callable[[str, int, int], None]
"""Called with a stage's name, the pictures done and their number."""


def quiet(stage: str, done: int, total: int) -> None:
    """Progress for nobody."""


@dataclass(frozen=True)
class Crops:
    """The decoded source: pixels stay in a file, so memory does not grow with them.

    ``path`` a ``.npy`` of uint8 (N, 48, 48); ``reason`` (N,) why a picture is unusable, "" if it
    is not; ``detail`` the same for people, by row; ``sha256`` (N,) of the 2,304 pixels, in hex;
    ``resized`` and ``colour`` (N,) bool, what was changed on the way; ``face`` (N,) the detector's
    score of the face that was cut out of a photo, 0 where it found none, ``UNSEARCHED`` of what was
    taken whole; ``whole`` (N,) bool, photos that nobody searched; ``key`` names the whole content.
    """

    path: Path
    reason: NDArray[np.str_]
    detail: Mapping[int, str]
    sha256: NDArray[np.bytes_]
    resized: NDArray[np.bool_]
    colour: NDArray[np.bool_]
    face: NDArray[np.float64]
    whole: NDArray[np.bool_]
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


def read_crops(
    listing: Listing, cache: Cache, progress: Progress = quiet, *, finder: Finder | None = None
) -> Crops:
    """Decode every picture of a listing, or find that done for exactly these bytes before.

    Args:
        listing: the source.
        cache: keeps the crops, and those of a run that was stopped.
        progress: told how far it is.
        finder: cuts the faces out of photos; None takes every picture whole.
    """
    labelled = hashlib.sha256((listing.emotion != NO_LABEL).tobytes()).hexdigest()
    key = key_of("crops", 3, listing.digest(), finder and (finder.key, labelled))
    pixels = cache.path("crops", key, ".npy")
    table = cache.path("crops", key, ".npz")
    if not (pixels.exists() and table.exists()):
        for old in cache.folder.glob("crops-*"):
            old.unlink()
        with replacing(pixels) as part:
            columns = _decode(listing, part, cache, key, finder, progress)
        with replacing(table) as part, part.open("wb") as file:
            np.savez(file, **columns)  # type: ignore[arg-type]  # allow_pickle: numpy 2.2
        for old in cache.folder.glob("piece*"):
            old.unlink()
    with np.load(table) as stored:
        columns = {name: stored[name] for name in stored.files}
    told = zip(columns.pop("told").tolist(), columns.pop("told_what").tolist(), strict=True)
    return Crops(path=pixels, key=key, detail=dict(told), **columns)


def _decode(
    listing: Listing,
    path: Path,
    cache: Cache,
    key: str,
    finder: Finder | None,
    progress: Progress,
) -> Arrays:
    count = len(listing)
    images = npy.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, SIZE, SIZE))
    offset = images.offset
    del images
    raw = listing.raw()
    parts: list[Arrays] = []
    with path.open("r+b") as file:
        file.seek(offset)
        for first in range(0, count, DECODED_AT_A_TIME):
            rows = range(first, min(count, first + DECODED_AT_A_TIME))
            texts = itertools.islice(raw, len(rows))
            piece = cache.arrays(
                f"piece{first}",
                key,
                lambda texts=texts, rows=rows: _piece(  # type: ignore[misc]
                    listing, rows, texts, finder, progress
                ),
            )
            # Bytes of what an earlier run has decoded come past all the same.
            collections.deque(texts, maxlen=0)
            file.write(piece.pop("images").tobytes())
            parts.append(piece)
            progress("read", rows.stop, count)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _piece(
    listing: Listing,
    rows: range,
    raw: Iterable[bytes],
    finder: Finder | None,
    progress: Progress,
) -> Arrays:
    """The crops of some rows and what is known of each."""
    count = len(rows)
    batch = np.zeros((count, SIZE, SIZE), np.uint8)
    reason = [""] * count
    detail: dict[int, str] = {}
    face = np.full(count, UNSEARCHED)
    resized, colour, whole = (np.zeros(count, np.bool_) for _ in range(3))
    for i, text in enumerate(raw):
        wanted = finder if listing.emotion[rows[i]] != NO_LABEL else None
        try:
            picture, colour[i], framed = _picture(text, listing.start is not None, wanted)
        except (ValueError, OSError) as error:
            reason[i] = check.UNREADABLE
            detail[i] = str(error).removeprefix("image: ")
            continue
        whole[i] = framed is None and is_photo(picture)
        if framed is not None:
            face[i], reason[i] = round(framed.score, 4), framed.reason
            if framed.detail:
                detail[i] = framed.detail
        elif problem := check.size_problem(*picture.shape):
            reason[i], detail[i] = check.WRONG_SIZE, problem
        resized[i] = picture.shape != (SIZE, SIZE)
        batch[i] = fit(picture)
        if finder is not None and (i + 1) % TELL == 0:
            progress("read", rows[i] + 1, len(listing))
    digest = np.array([pixel_hash(image) for image in batch], "S64")
    for i, flat in enumerate(check.flat_reasons(batch)):
        reason[i] = reason[i] or flat
    return {
        "images": batch,
        "reason": np.array(reason, "U16"),
        # Messages are few, and numpy would give every row the length of the longest.
        "told": np.array([rows[i] for i in sorted(detail)], np.int64),
        "told_what": np.array([detail[i] for i in sorted(detail)], np.str_),
        "sha256": digest,
        "resized": resized & np.array([r == "" for r in reason]),
        "colour": colour,
        "face": face,
        "whole": whole & np.array([r == "" for r in reason]),
    }


def _picture(
    raw: bytes, is_text: bool, finder: Finder | None
) -> tuple[NDArray[np.uint8], bool, Framed | None]:
    """The grey picture, whether it has colours, and what was found in it if it is a photo."""
    if is_text:
        grey, colour = decode_pixels(raw), False
        rgb = np.repeat(grey[..., None], 3, axis=2) if finder and is_photo(grey) else None
    else:
        rgb = read(raw)
        grey, colour = to_grey(rgb), bool((rgb[..., 0] != rgb[..., 1]).any())
    if finder is None or rgb is None or not is_photo(grey):
        return grey, colour, None
    framed = frame(rgb, finder)
    return (grey if framed.crop is None else framed.crop), colour, framed
