"""JAFFE (Lyons et al. 1998): the emotion is in the file name, in one flat folder.

KA.AN1.39.tiff    person KA, angry, her first picture, number 39
"""

from __future__ import annotations

import re

from mien.data.formats.labelled import Labels, Said
from mien.data.tree import Tree

NAME = re.compile(r"[A-Z]{2}\.(AN|DI|FE|HA|NE|SA|SU)\d\.\d+\.", re.IGNORECASE)
CODES = {
    "AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy",
    "NE": "neutral", "SA": "sad", "SU": "surprise",
}  # fmt: skip


def find(tree: Tree) -> list[str]:
    """The pictures of a tree that are named so, if most are."""
    names = [path for path in tree.pictures if NAME.match(path.rpartition("/")[2])]
    return names if 2 * len(names) > len(tree.pictures) else []


def read(tree: Tree, pictures: list[str]) -> Labels:
    """Labels from the names."""
    labels = Labels("the file names of JAFFE")
    for path in pictures:
        code = NAME.match(path.rpartition("/")[2])
        labels.said[path] = Said(CODES[code[1].upper()]) if code else Said()
    return labels
