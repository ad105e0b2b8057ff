"""Labelled crops in memory: what training, evaluation and cleaning all start from."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.ballots import merge_votes
from mien.data.listing import NO_VOTES, Listing, no_votes
from mien.data.packed import FACES, read_packed
from mien.emotions import EMOTIONS, parse
from mien.images import is_picture, read, to_grey

SIZE = 48
SPLITS = {"train": "train", "training": "train", "valid": "valid", "validation": "valid",
          "val": "valid", "test": "test"}  # fmt: skip


@dataclass(frozen=True)
class Dataset:
    """N labelled crops.

    ``id`` (N,) the path below the root, sorted; ``images`` (N, 48, 48) uint8; ``emotion`` (N,)
    int64, index into ``EMOTIONS`` or -1 where unknown; ``votes`` (N, 10) int64 counts in the order
    of ``BALLOT``, a row of -1 where nobody voted; ``split`` (N,) "train", "valid" or "test";
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
            there = ", ".join(sorted(set(self.split.tolist())))
            raise ValueError(f"no picture in split {split!r}; there are: {there}")
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
        ValueError: an emotion folder whose name is not understood.
    """
    path = Path(path)
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
    """Read ``ROOT/<split>/<emotion>/*`` with an optional ``ROOT/votes.csv``.

    ``votes.csv`` is read as ``mien data prepare`` reads it, see ``merge_votes``. Pictures of
    another size are resized to 48x48 by area averaging.

    Raises:
        FileNotFoundError: no picture is found; the message says what is expected.
        ValueError: an emotion folder whose name is not understood, a picture or a line of
            ``votes.csv`` that cannot be read, or a ``votes.csv`` of other pictures.
    """
    root = Path(root)
    files = sorted(
        path for split in SPLITS for path in (root / split).glob("*/*") if is_picture(path.name)
    )
    if not files:
        raise FileNotFoundError(
            f"no pictures in {root}; expected {root}/train/<emotion>/*.png with the emotions "
            f"{', '.join(EMOTIONS)}. `mien data prepare` makes such a folder."
        )
    images = np.empty((len(files), SIZE, SIZE), np.uint8)
    emotion = np.empty(len(files), np.int64)
    for row, path in enumerate(files):
        named = parse(unicodedata.normalize("NFC", path.parent.name))  # macOS decomposes names
        if named is None:
            raise ValueError(f"{path.parent}: not an emotion; known are {', '.join(EMOTIONS)}")
        emotion[row] = named.position
        images[row] = fit(to_grey(read(path)))
    ids = [path.relative_to(root).as_posix() for path in files]
    split = [SPLITS[i.split("/")[0]] for i in ids]
    votes = no_votes(len(ids))
    if (table := root / "votes.csv").exists():
        listing = Listing(root, ids, emotion, split, usage=[""] * len(ids), votes=votes)
        votes = merge_votes(listing, table).votes
    return Dataset(
        id=np.array(ids),
        images=images,
        emotion=emotion,
        votes=votes,
        split=np.array(split),
        group=pixel_groups(images),
    )
