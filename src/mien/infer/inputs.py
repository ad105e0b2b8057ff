"""Which pictures are meant by paths, folders and globs."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path

from mien.images import SUFFIXES


def find_pictures(arguments: Iterable[str | Path], *, copies: Path | None = None) -> list[str]:
    """Paths of pictures, each once.

    Args:
        arguments: a folder gives every picture below it by its file name's ending, in order of
            path and without hidden files; a pattern (``*``, ``?``, ``**``) what it matches;
            anything else stays as it is, so that a missing file is reported in its place.
        copies: a folder that annotated copies are written to: what folders and patterns find in
            it is left out, so that a second run does not read the copies of the first.

    Raises:
        ValueError: a folder without pictures or a pattern without matches.
    """
    found: dict[str, None] = {}
    skipped = copies.resolve() if copies is not None else None
    for argument in map(str, arguments):
        if Path(argument).is_dir():
            matches = _below(argument, skipped)
            if not matches:
                raise ValueError(f"{argument}: no pictures in this folder; name another, or files")
        elif glob.has_magic(argument) and not Path(argument).exists():
            # Path.glob takes no absolute pattern
            found_files = glob.glob(argument, recursive=True)  # noqa: PTH207
            matches = sorted(
                path
                for path in found_files
                if Path(path).is_file()
                and (skipped is None or skipped not in Path(path).resolve().parents)
            )
            if not matches:
                raise ValueError(f"{argument}: matches no file; check the pattern")
        else:
            matches = [argument]
        found.update(dict.fromkeys(matches))
    return list(found)


def _below(folder: str, skipped: Path | None) -> list[str]:
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and (skipped is None or Path(place, name).resolve() != skipped)
        )
        found += [
            str(Path(place, name))
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return found
