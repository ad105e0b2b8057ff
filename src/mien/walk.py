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

    Hidden folders are left out. A folder that is reached twice, by a link or a loop of links, is
    entered the first time alone.

    Args:
        root: where to begin.
        refuse: is told of each folder that cannot be read; its ``filename`` says which.
        enter: whether to go into a folder, by its path.
    """
    seen = {_identity(root)}
    for place, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        entered = []
        for name in sorted(folders):
            path = Path(place, name)
            if name.startswith(".") or not enter(path):
                continue
            if (identity := _identity(path)) not in seen:
                seen.add(identity)
                entered.append(name)
        folders[:] = entered
        yield Path(place), sorted(files)


def _identity(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return path
    return status.st_dev, status.st_ino
