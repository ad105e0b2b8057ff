"""Finds out what a source is: folders of pictures or a CSV of pixels, and the votes beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mien.data.ballots import merge_votes
from mien.data.folders import check_mapping, list_folder
from mien.data.listing import Listing
from mien.data.pixelcsv import list_csv

PIXEL_FILES = ("fer2013.csv", "icml_face_data.csv")
VOTE_FILES = ("votes.csv", "fer2013new.csv")


def list_source(
    source: Path, *, mapping: Mapping[str, str] | None = None, votes: Path | None = None
) -> Listing:
    """List the pictures of a folder or a pixel CSV, with votes where there are any.

    Without ``votes``, ``votes.csv`` or ``fer2013new.csv`` beside the pictures is used.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: something is there and not understood; the message says what would be.
    """
    mapping = mapping or {}
    check_mapping(mapping)
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder; see `mien data download`")
    if source.is_file():
        listing = list_csv(source, mapping)
    else:
        tables = [source / name for name in PIXEL_FILES if (source / name).is_file()]
        if len(tables) > 1:
            raise ValueError(
                f"{source}: holds {' and '.join(t.name for t in tables)}, the same pictures twice; "
                "name one of the files as the source"
            )
        listing = list_csv(tables[0], mapping) if tables else list_folder(source, mapping)
    found = votes or _votes_beside(listing)
    return listing if found is None else merge_votes(listing, found)


def _votes_beside(listing: Listing) -> Path | None:
    in_csv = listing.start is not None
    folder = listing.root.parent if in_csv else listing.root
    # FER+ names no files, so beside image folders it says nothing.
    names = VOTE_FILES if in_csv else VOTE_FILES[:1]
    there = [folder / name for name in names if (folder / name).is_file()]
    return there[0] if there else None
