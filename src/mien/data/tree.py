"""One walk through a source folder: its pictures, its other files, and where a name leads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mien.data.text_table import ARCHIVE_SUFFIXES
from mien.images import is_picture
from mien.naming import bare, canonical
from mien.walk import walk


@dataclass(frozen=True)
class Tree:
    """A folder; ``pictures`` and ``others`` are sorted paths below ``root``."""

    root: Path
    pictures: Sequence[str]
    others: Sequence[str]
    told: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Canonical file name without suffix → the pictures of that name."""
        found: dict[str, list[str]] = defaultdict(list)
        for path in self.pictures:
            found[bare(canonical(path)).rpartition("/")[2]].append(path)
        return found

    def find(self, name: str) -> str | None:
        """The picture that a table means by a name; None where none or several fit.

        The name may be a whole or a longer or a shorter path than that below ``root``, and have
        another suffix: of pictures with the same file name, the one that shares most folders wins.
        """
        wanted = bare(canonical(name)).split("/")
        there = self.by_name.get(wanted[-1], ())
        if len(there) == 1 and len(wanted) == 1:
            return there[0]
        shared = {path: _shared(wanted, bare(canonical(path)).split("/")) for path in there}
        best = max(shared.values(), default=0)
        fits = [path for path, depth in shared.items() if depth == best]
        exact = [path for path in fits if canonical(path).endswith(canonical(name))]
        fits = exact if len(exact) == 1 else fits
        return fits[0] if len(fits) == 1 else None


def _shared(a: Sequence[str], b: Sequence[str]) -> int:
    """How many last parts two paths share; a difference before an end of both counts double."""
    same = 0
    for left, right in zip(reversed(a), reversed(b), strict=False):
        if left != right:
            break
        same += 1
    return same


def grow(root: Path) -> Tree:
    """Look at every file below a folder, without hidden and ``__MACOSX`` entries.

    Raises:
        FileNotFoundError: no picture at all; archives that lie there are named.
        OSError: a folder that cannot be read.
    """
    pictures: list[str] = []
    others: list[str] = []
    strange = 0
    for folder, files in walk(root, refuse=_refuse, enter=_enter):
        below = folder.relative_to(root)
        for file in files:
            path = (below / file).as_posix()
            try:
                path.encode()
            except UnicodeEncodeError:
                strange += 1
                continue
            if is_picture(file):
                pictures.append(path)
            elif not file.startswith("."):
                others.append(path)
    told: tuple[str, ...] = ()
    if strange:
        told = (
            f"{root}: {strange:,} files were passed over, since their names are not UTF-8; rename "
            "them, for example with convmv",
        )
    if not pictures:
        archives = [path for path in others if Path(path).suffix.lower() in ARCHIVE_SUFFIXES]
        if archives:
            raise FileNotFoundError(
                f"{root}: no pictures in it, but the archive {archives[0]!r}; unpack it first"
            )
        raise FileNotFoundError(
            f"{root}: no pictures in it; expected <emotion>/*.png at any depth, a table labels.csv "
            "beside pictures, or fer2013.csv" + (f". {told[0]}" if told else "")
        )
    return Tree(root, sorted(pictures), sorted(others), told)


def _enter(path: Path) -> bool:
    return not path.name.startswith("__MACOSX")


def _refuse(error: OSError) -> None:
    raise OSError(
        f"{error.filename}: cannot be read ({error.strerror}); check its permissions"
    ) from None


def named(others: Sequence[str], *names: str) -> Iterator[str]:
    """The paths whose file name, in any case, is one of ``names``."""
    return (path for path in others if path.rpartition("/")[2].lower() in names)
