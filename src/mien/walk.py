"""Folders below a folder: linked ones too, each once, and none passed over in silence."""

from __future__ import annotations

import os
import stat
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
            if _is_folder(entry):
                folders.append(entry.name)
            elif readable(entry.path):
                files.append(entry.name)
    return sorted(folders), sorted(files)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that may not be entered
        return False


def readable(path: str) -> bool:
    """Whether a path that is no folder is worth opening.

    Pipes, sockets and devices are not: they would block whoever reads them. What cannot be looked
    at, such as a link that leads nowhere, is: opened, it says what is wrong.
    """
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - no Path for each
    except (OSError, ValueError):
        return True


def _identity(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return path
    return status.st_dev, status.st_ino
