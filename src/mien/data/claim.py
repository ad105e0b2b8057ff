"""Whose a prepared folder is: made by prepare, whole or not, and written by one run at a time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.atomic import sweep
from mien.data.groups import SPLIT_NAMES
from mien.emotions import EMOTIONS

LOCK = "lock"
CACHE = ".cache"
FACTS = "prepare.json"
MARKER = "made-by-mien-data-prepare"
WRITING = "writing"
"""In the cache while the files of a folder are being replaced: old and new ones stand together."""
CACHED = re.compile(r"\.?[a-z-]+-[0-9a-f]{20}\.np[yz](\.part)?")


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
    return alone and all(
        path.name == LOCK or CACHED.fullmatch(path.name) for path in cache.iterdir()
    )


def claim(out: Path) -> None:
    """Mark a folder as prepare's before anything else is in it, and clear what a kill left.

    The mark lets an interrupted first run go on; only the places prepare writes to are cleared.
    """
    (out / CACHE).mkdir(parents=True, exist_ok=True)
    (out / CACHE / MARKER).write_text("mien data prepare writes and clears this folder.\n")
    sweep([out, out / CACHE, *folders_of(out)])


def check_whole(out: Path) -> None:
    """Raise ValueError where a preparation of this folder has begun and not ended."""
    cache, manifest = out / CACHE, out / "manifest.csv"
    begun = (cache / MARKER).is_file() and not manifest.is_file()
    if begun or (cache / WRITING).is_file():
        raise ValueError(
            f"{out}: prepare was interrupted, so the folder is incomplete; run the same "
            "`mien data prepare` again, which resumes where it stopped"
        )
    if manifest.is_file() and not (out / "faces.npz").is_file():
        raise ValueError(
            f"{out}: has a manifest.csv and no faces.npz, so the folder is incomplete; copy it "
            "whole, or run `mien data prepare` again"
        )


@contextmanager
def replacing_outputs(out: Path) -> Iterator[None]:
    """Mark a folder as incomplete until the block ends well."""
    mark = out / CACHE / WRITING
    mark.write_text("The files of this folder are being replaced.\n")
    yield
    mark.unlink()


def folders_of(out: Path) -> list[Path]:
    """Where the pictures of a prepared folder lie."""
    return [out / split / emotion for split in SPLIT_NAMES for emotion in EMOTIONS]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other runs off a folder while the block lasts; the lock dies with its process.

    Raises:
        ValueError: another run holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    with path.open("a+", encoding="ascii") as file:
        _lock(file.fileno(), path)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:
        _lock_on_windows(descriptor, path)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _taken(path) from None
    except OSError:  # a file system without locks
        return


def _lock_on_windows(descriptor: int, path: Path) -> None:
    import importlib

    msvcrt = importlib.import_module("msvcrt")
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        raise _taken(path) from None


def _taken(path: Path) -> ValueError:
    owner = ""
    with suppress(OSError, UnicodeDecodeError):
        owner = path.read_text("ascii").strip()
    who = f" (process {owner})" if owner.isdecimal() else ""
    return ValueError(
        f"{path.parents[1]}: another run of mien data prepare{who} is writing it; wait for that, "
        "or choose another OUT"
    )
