"""Lay FER-2013 out as the folder that every figure in the docs was printed from.

    python tools/lay_out_fer2013.py fer2013.csv fer2013new.csv data/fer2013

writes Training as ``train/<emotion>/*.png``, PublicTest as ``test/<emotion>/*.png`` and FER+'s
votes as ``votes.csv``; PrivateTest is left out. ``fer2013.csv`` comes from Kaggle's challenge
"Challenges in Representation Learning", ``fer2013new.csv`` from microsoft/FERPlus on GitHub.
``mien data prepare`` cleans as well, and so scores other pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mien.atomic import write_bytes, write_csv
from mien.data.formats.pixelcsv import decode_pixels
from mien.data.layout import encode
from mien.data.sources import list_source
from mien.emotions import EMOTIONS, VOTE_COLUMNS

FOLDER = {"Training": "train", "PublicTest": "test"}


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pixels", type=Path, help="fer2013.csv")
    parser.add_argument("votes", type=Path, help="fer2013new.csv")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()

    listing = list_source(given.pixels, votes=given.votes)
    rows = []
    for row, text in enumerate(listing.raw()):
        usage = listing.usage[row]
        if usage not in FOLDER:
            continue
        emotion = EMOTIONS[listing.emotion[row]].value
        name = f"{FOLDER[usage]}/{emotion}/{usage}_{row:05d}.png"
        path = given.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, encode(decode_pixels(text)))
        counts = listing.votes[row].tolist()
        rows.append((name, *(counts if counts[0] >= 0 else [""] * len(counts))))
    write_csv(given.out / "votes.csv", ("file", *VOTE_COLUMNS), rows)
    print(f"{len(rows):,} pictures in {given.out}")


if __name__ == "__main__":
    main()
