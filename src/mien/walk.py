"""Folders below a folder: linked ones too, each once, and none passed over in silence."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def walk(
    root: Path,
    *,
    refuse: Callable[[OSError], None],
    enter: Callable[[Path], bool] = lambda path: True,
) -> Iterator[tuple[Path, list[str]]]:
    """Folders in order of path, each with the sorted names of its files.

    Hidden folders are left out, and so are pipes, sockets and devices, which would block whoever
    reads them. A folder that is reached twice, by a link or a loop of links, is entered the first
    time alone.

    Args:
        root: where to begin.
        refuse: is told of each folder that cannot be read; its ``filename`` says which.
        enter: whether to go into a folder, by its path.
    """
    seen = {_identity(root)}
    left = [root]
    while left:
        place = left.pop()
        try:
            folders, files = _inside(place)
        except OSError as error:
            refuse(error)
            continue
        entered = []
        for name in folders:
            path = place / name
            if name.startswith(".") or not enter(path):
                continue
            if (identity := _identity(path)) not in seen:
                seen.add(identity)
                entered.append(path)
        left += reversed(entered)
        yield place, files


def _inside(folder: Path) -> tuple[list[str], list[str]]:
    """The sorted names of a folder's folders and files; a link that leads nowhere is a file."""
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                folders.append(entry.name)
            elif entry.is_file() or not os.path.exists(entry.path):  # noqa: PTH110 - no Path each
                files.append(entry.name)
    return sorted(folders), sorted(files)


def _identity(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return path
    return status.st_dev, status.st_ino
