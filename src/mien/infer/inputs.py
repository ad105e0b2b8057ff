"""Which pictures are meant by paths, folders and globs."""

import glob
import os
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from mien.images import is_picture
from mien.walk import readable, walk


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
    skipped = None if copies is None else os.path.realpath(copies)
    for argument in map(str, arguments):
        # not Path's, which raise where a name is too long or a folder above is closed
        if os.path.isdir(argument):  # noqa: PTH112
            matches = _below(argument, skipped)
            if not matches:
                raise ValueError(f"{argument}: no pictures in this folder; name another, or files")
        elif glob.has_magic(argument) and not os.path.exists(argument):  # noqa: PTH110
            matches = sorted(path for path in _matching(argument) if not _lies_in(path, skipped))
            if not matches:
                if skipped is not None and _matching(argument):
                    raise ValueError(
                        f"{argument}: matches only what lies where annotated copies go; name "
                        "another folder for the copies"
                    )
                raise ValueError(f"{argument}: matches no file; check the pattern")
        else:
            # ./a.jpg and a.jpg are one picture; an address keeps its two slashes
            matches = [argument if "://" in argument else str(Path(argument))]
        found.update(dict.fromkeys(matches))
    return list(found)


def _lies_in(path: str, folder: str | None) -> bool:
    return folder is not None and Path(folder) in Path(os.path.realpath(path)).parents


def _below(folder: str, skipped: str | None) -> list[str]:
    found: list[str] = []

    def refuse(error: OSError) -> None:
        found.append(str(error.filename))  # read in its place, it says what is wrong

    def enter(path: Path) -> bool:
        return skipped is None or os.path.realpath(path) != skipped

    for place, files in walk(Path(folder), refuse=refuse, enter=enter):
        found += [str(place / name) for name in files if is_picture(name)]
    return found


def _matching(pattern: str) -> list[str]:
    """Paths that a pattern matches; ``**`` goes through linked folders too, each once."""
    parts = Path(pattern).parts
    if "**" not in parts:
        found = glob.glob(pattern)  # noqa: PTH207 - may be absolute
        return [str(Path(path)) for path in found if not os.path.isdir(path) and readable(path)]  # noqa: PTH112
    first = parts.index("**")
    # glob's own ** follows a loop of links for as long as a path may be
    above = glob.glob(str(Path(*parts[:first]))) if first else ["."]  # noqa: PTH207
    return [
        str(place / name)
        for root in above
        for place, files in walk(Path(root), refuse=lambda error: None)
        for name in files
        if _fits((*place.relative_to(root).parts, name), parts[first:])
    ]


def _fits(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether the parts of a path match those of a pattern, of which ``**`` is any number."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        rest = pattern[1:]
        if not rest:
            return not path[-1].startswith(".")
        return any(_fits(path[at:], rest) for at in range(len(path)))
    if not path or (path[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    return fnmatch(path[0], pattern[0]) and _fits(path[1:], pattern[1:])
