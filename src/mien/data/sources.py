"""Finds out what a source is, and reads it by the format it has; a file a format in ``formats``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from mien.data.ballots import merge_votes
from mien.data.entries import Listing
from mien.data.formats import affectnet, ckplus, ferplus, label_table, rafdb, votes_table
from mien.data.formats.coded import JAFFE, KDEF
from mien.data.formats.folders import list_folder
from mien.data.formats.labelled import Labels, to_listing
from mien.data.formats.pixelcsv import FILES, header, is_pixel_csv, list_csv
from mien.data.text_table import refuse_binary, shown
from mien.data.tree import Tree, grow
from mien.data.words import NUMBERS, check_mapping

VOTE_FILES = ("votes.csv", "fer2013new.csv")


class Format(Protocol):
    """What a layout is, as a module or an object."""

    def find(self, tree: Tree, /) -> list[str]:
        """The files by which a tree is known to have it; none for another layout."""
        ...

    def read(self, tree: Tree, found: list[str], /) -> Labels:
        """What those files say of the tree's pictures."""
        ...


FORMATS: tuple[Format, ...] = (rafdb, ferplus, ckplus, affectnet, JAFFE, KDEF, votes_table)
"""Layouts that leave no doubt; the first that finds itself is taken."""


def list_source(
    source: Path,
    *,
    mapping: Mapping[str, str] | None = None,
    votes: Path | None = None,
    numbers: str = "",
) -> Listing:
    """List the pictures of a folder, a label table or a pixel CSV, with votes where there are any.

    Without ``votes``, ``votes.csv`` or ``fer2013new.csv`` beside the pictures is used. ``numbers``
    names the data set of ``words.NUMBERS`` by which numbered classes are read.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: something is there and not understood; the message says what would be.
    """
    mapping = mapping or {}
    check_mapping(mapping)
    if numbers and numbers not in NUMBERS:
        raise ValueError(f"--numbers {numbers}: choose {', '.join(NUMBERS)}")
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder; see `mien data download`")
    if source.is_file():
        listing = _list_file(source, mapping, numbers)
    else:
        listing = _list_folder(source, mapping, numbers)
    found = votes or _votes_beside(listing)
    return listing if found is None else merge_votes(listing, found)


def _list_file(source: Path, mapping: Mapping[str, str], numbers: str) -> Listing:
    if is_pixel_csv(source):
        return list_csv(source, mapping, numbers)
    refuse_binary(source)
    parent = source.parent
    if source.name.lower() in rafdb.LISTS:
        # RAF-DB keeps its list in ``EmoLabel`` beside the pictures' folder.
        tree = grow(parent.parent if parent.name.lower() == "emolabel" else parent)
        return to_listing(
            tree, rafdb.read(tree, [source.relative_to(tree.root).as_posix()]), mapping
        )
    if label_table.is_table(source):
        tree = grow(parent)
        return to_listing(tree, label_table.read(tree, [source.name], numbers), mapping)
    raise ValueError(
        f"{source}: no columns emotion and pixels, nor file and emotion; it has "
        f"{shown(header(source))}"
    )


def _list_folder(source: Path, mapping: Mapping[str, str], numbers: str) -> Listing:
    tables = [source / name for name in FILES if (source / name).is_file()]
    if len(tables) > 1:
        raise ValueError(
            f"{source}: holds {' and '.join(t.name for t in tables)}; name one of the files as "
            "the source, since they may hold the same pictures twice"
        )
    if tables:
        return list_csv(tables[0], mapping, numbers)
    tree = grow(source)
    for form in FORMATS:
        if found := form.find(tree):
            return to_listing(tree, form.read(tree, found), mapping)
    if tables_of_labels := _label_tables(tree):
        labels = label_table.read(tree, tables_of_labels, numbers)
        return to_listing(tree, labels, mapping)
    return list_folder(tree, mapping, numbers)


def _label_tables(tree: Tree) -> list[str]:
    """Tables that are called as label tables are and look so; the highest in the tree alone."""
    found = [path for path in label_table.find(tree) if label_table.is_table(tree.root / path)]
    depth = min((path.count("/") for path in found), default=0)
    return [path for path in found if path.count("/") == depth]


def _votes_beside(listing: Listing) -> Path | None:
    in_csv = listing.start is not None
    folder = listing.root.parent if in_csv else listing.root
    # FER+ names no files, so beside image folders it says nothing.
    names = VOTE_FILES if in_csv else VOTE_FILES[:1]
    there = [folder / name for name in names if (folder / name).is_file()]
    return there[0] if there else None
