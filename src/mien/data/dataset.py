"""Labelled crops in memory: what training, evaluation and cleaning all start from."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.claim import check_whole
from mien.data.entries import NO_LABEL, NO_VOTES, Listing
from mien.data.formats.pixelcsv import decode_pixels
from mien.data.packed import FACES, read_packed
from mien.data.photos import LARGEST_CROP
from mien.data.sources import list_source
from mien.images import read, to_grey

SIZE = 48


@dataclass(frozen=True)
class Dataset:
    """N labelled crops.

    ``id`` (N,) the path below the root, sorted; ``images`` (N, 48, 48) uint8; ``emotion`` (N,)
    int64, index into ``EMOTIONS`` or -1 where unknown; ``votes`` (N, 10) int64 counts in the order
    of ``BALLOT``, a row of -1 where nobody voted; ``split`` (N,) "train", "valid" or "test", ""
    where the source does not say;
    ``group`` (N,) int64, equal for pixel-identical crops.
    """

    id: NDArray[np.str_]
    images: NDArray[np.uint8]
    emotion: NDArray[np.int64]
    votes: NDArray[np.int64]
    split: NDArray[np.str_]
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.id)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Dataset:
        """The chosen rows, in order."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def of(self, split: str) -> Dataset:
        """The rows of one split.

        Raises:
            ValueError: the split is empty; the message lists those that are there.
        """
        rows = self.split == split
        if not rows.any():
            there = ", ".join(sorted({part or "pictures in no split" for part in self.split}))
            raise ValueError(
                f"no picture in split {split!r}; there are: {there or 'no pictures'}. "
                "`mien data prepare` makes train, valid and test"
            )
        return self.take(rows)

    @property
    def has_votes(self) -> NDArray[np.bool_]:
        """(N,) whether people voted on the crop."""
        return np.asarray(self.votes[:, 0] != NO_VOTES)

    def fingerprint(self) -> str:
        """Hash of ids, pixels and labels; the card of a trained bundle carries it."""
        digest = hashlib.sha256("\n".join(self.id.tolist()).encode())
        for array in (self.images, self.emotion, self.votes):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


def pixel_hash(image: NDArray[np.uint8]) -> str:
    """sha256 of a crop's pixels, hexadecimal: what a picture is known by, whatever its name."""
    return hashlib.sha256(image.tobytes()).hexdigest()


def pixel_groups(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N,) a number for each set of pixel-identical images, counted in order of appearance."""
    number: dict[bytes, int] = {}
    return np.array([number.setdefault(image.tobytes(), len(number)) for image in images], np.int64)


def fit(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey picture (H, W) at 48x48, by area averaging where it has another size."""
    if grey.shape == (SIZE, SIZE):
        return grey
    return np.asarray(Image.fromarray(grey).resize((SIZE, SIZE), Image.Resampling.BOX))


def load(path: Path | str) -> Dataset:
    """Read what ``mien data prepare`` wrote, from its packed file, else any folder of crops.

    In a prepared folder ``id`` is the picture's path in the source it came from, and ``group``
    is equal for near copies as well.

    Raises:
        FileNotFoundError: nothing to read.
        ValueError: a folder that prepare has not finished, or an emotion folder whose name is not
            understood.
    """
    path = Path(path)
    if path.is_dir():
        check_whole(path)
    packed = path / FACES if path.is_dir() else path
    if not packed.is_file():
        return load_folder(path)
    if packed.suffix.lower() != ".npz":
        raise ValueError(
            f"{packed}: neither a folder of pictures nor a packed file; first run "
            f"`mien data prepare {packed} OUT`, then name OUT"
        )
    stored = read_packed(packed)
    names = [field.name for field in fields(Dataset)]
    if missing := [name for name in names if name not in stored]:
        raise ValueError(f"{packed}: no {', '.join(missing)}; name a folder of crops instead")
    return Dataset(**{name: stored[name] for name in names})


def load_folder(root: Path | str) -> Dataset:
    """Read a folder of labelled crops that nobody prepared, as ``list_source`` understands it.

    Folders and tables mean what they mean to ``mien data prepare``. Pictures of another class than
    the seven, or of none, are not in the set; ``split`` is "" where no folder names one. Pictures
    of another size are brought to 48x48 by area averaging. What a person should know, such as rows
    of ``votes.csv`` that match no picture, or photos that are no crops, is a ``UserWarning``.

    Raises:
        FileNotFoundError: no picture is found; the message says what is expected.
        ValueError: a folder or label that is not understood, a picture or a line of ``votes.csv``
            that cannot be read, or a ``votes.csv`` of other pictures.
    """
    root = Path(root)
    listing = list_source(root)
    rows = np.flatnonzero(listing.emotion != NO_LABEL)
    images = np.empty((len(rows), SIZE, SIZE), np.uint8)
    kept = rows.tolist()
    wanted = dict(zip(kept, range(len(kept)), strict=True))
    photos = 0
    for row, raw in enumerate(listing.raw()):
        if row in wanted:
            images[wanted[row]], side = _crop(raw, listing, row)
            photos += side > LARGEST_CROP
    if photos:
        warnings.warn(
            f"{root}: {photos:,} of {len(kept):,} pictures are larger than {LARGEST_CROP} pixels "
            "and are taken whole, as if they were crops of a face; `mien data prepare` cuts it out",
            stacklevel=3,
        )
    for sentence in listing.told:
        warnings.warn(sentence, stacklevel=3)
    return Dataset(
        id=np.array([listing.id[row] for row in kept], dtype=np.str_),
        images=images,
        emotion=listing.emotion[rows],
        votes=listing.votes[rows],
        split=np.array([listing.split[row] for row in kept], dtype=np.str_),
        group=pixel_groups(images),
    )


def _crop(raw: bytes, listing: Listing, row: int) -> tuple[NDArray[np.uint8], int]:
    """A picture as a crop, and its longest side before, pixels."""
    try:
        picture = decode_pixels(raw) if listing.start is not None else to_grey(read(raw))
        return fit(picture), max(picture.shape)
    except ValueError as error:
        path = listing.root / listing.id[row]
        raise ValueError(f"{path}: {str(error).removeprefix('image: ')}") from None
