"""Writes the pictures of a prepared folder, and takes away those that no longer belong."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.atomic import sweep, write_bytes
from mien.data.groups import SPLIT_NAMES
from mien.data.neighbours import Rows
from mien.data.reading import Progress, quiet
from mien.emotions import EMOTIONS

CHUNK = 1024
CACHE = ".cache"
FACTS = "prepare.json"
MARKER = "made-by-mien-data-prepare"
CACHED = re.compile(r"\.?[a-z-]+-[0-9a-f]{20}\.np[yz](\.part)?")
NUMBERED = re.compile(r"_\d{5,}\.png")


def check_output(out: Path, source: Path) -> None:
    """Raise ValueError where writing to ``out`` could touch the source or somebody's files."""
    here, there = out.resolve(), source.resolve()
    if here == there or there in here.parents or here in there.parents:
        raise ValueError(f"{out}: overlaps the source {source}, which is only read; choose another")
    if out.is_dir() and any(out.iterdir()) and not _is_ours(out):
        raise ValueError(f"{out}: not empty and not made by prepare; choose an empty folder")


def _is_ours(out: Path) -> bool:
    """Whether prepare made a folder; many others have a ``.cache`` too, such as a home."""
    cache = out / CACHE
    if (cache / MARKER).is_file():
        return True
    try:
        facts = json.loads((out / FACTS).read_bytes())
        return isinstance(facts, dict) and {"source", "options", "counts", "notes"} <= facts.keys()
    except (OSError, ValueError):
        pass
    # Stopped before any picture was written, by a version that set no marker: nothing to lose.
    alone = [path.name for path in out.iterdir()] == [CACHE] and cache.is_dir()
    return alone and all(CACHED.fullmatch(path.name) for path in cache.iterdir())


def claim(out: Path) -> None:
    """Mark a folder as prepare's before anything else is in it, and clear what a kill left.

    The mark lets an interrupted first run go on; only the places prepare writes to are cleared.
    """
    (out / CACHE).mkdir(parents=True, exist_ok=True)
    (out / CACHE / MARKER).write_text("mien data prepare writes and clears this folder.\n")
    sweep([out, out / CACHE, *_folders(out)])


def _folders(out: Path) -> list[Path]:
    return [out / split / emotion for split in SPLIT_NAMES for emotion in EMOTIONS]


def encode(image: NDArray[np.uint8]) -> bytes:
    """A grey crop (H, W) as PNG.

    Written out because Pillow spends four fifths of its time on anything but a picture so small.
    """
    height, width = image.shape
    lines = np.empty((height, width + 1), np.uint8)
    lines[:, 0] = 2  # filter "up": each line is its difference from the one above
    lines[0, 1:] = image[0]
    np.subtract(image[1:], image[:-1], out=lines[1:, 1:])
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def write_pictures(
    out: Path,
    rows: Rows,
    index: NDArray[np.int64],
    paths: Sequence[str],
    progress: Progress = quiet,
) -> None:
    """Bring ``OUT/{train,valid,test}/<emotion>/`` to exactly these pictures.

    Files that hold the right bytes already are left alone; stale ones of ours are removed.

    Args:
        out: the prepared folder.
        rows: fetches (n, 48, 48) crops.
        index: rows to write.
        paths: where each belongs below ``out``.
        progress: told how far it is.
    """
    for parent in sorted({str(Path(path).parent) for path in paths}):
        (out / parent).mkdir(parents=True, exist_ok=True)
    for first in range(0, len(index), CHUNK):
        part = index[first : first + CHUNK]
        for path, image in zip(paths[first : first + CHUNK], rows(part), strict=True):
            write_bytes(out / path, encode(image))
        progress("write", first + len(part), len(index))
    wanted = set(paths)
    for folder in filter(Path.is_dir, _folders(out)):
        for file in sorted(folder.glob(f"{folder.name}_*.png")):
            ours = NUMBERED.fullmatch(file.name.removeprefix(folder.name))
            if ours and file.relative_to(out).as_posix() not in wanted:
                file.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
