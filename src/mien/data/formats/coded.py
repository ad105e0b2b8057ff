"""Data sets whose file names hold a code for the emotion.

JAFFE (Lyons et al. 1998)      KA.AN1.39.tiff    person KA, angry, her first picture, number 39
KDEF (Lundqvist et al. 1998)   AF01ANHL.JPG      series A, woman 01, angry, half from the left
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mien.data.formats.labelled import Labels, Said
from mien.data.tree import Tree


@dataclass(frozen=True)
class Coded:
    """A data set by its ``name``; the first group of ``pattern`` is one of ``codes``."""

    name: str
    pattern: re.Pattern[str]
    codes: Mapping[str, str]

    def find(self, tree: Tree) -> list[str]:
        """The pictures of a tree that are named so, if most are."""
        names = [path for path in tree.pictures if self._code(path)]
        return names if 2 * len(names) > len(tree.pictures) else []

    def read(self, tree: Tree, pictures: list[str]) -> Labels:
        """Labels from the names."""
        labels = Labels(f"the file names of {self.name}")
        for path in pictures:
            labels.said[path] = Said(self.codes[self._code(path)])
        return labels

    def _code(self, path: str) -> str:
        """The code in a file name, "" without one."""
        found = self.pattern.match(path.rpartition("/")[2].upper())
        return found[1] if found else ""


JAFFE = Coded(
    "JAFFE",
    re.compile(r"[A-Z]{2}\.(AN|DI|FE|HA|NE|SA|SU)\d\.\d+\."),
    {"AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral", "SA": "sad",
     "SU": "surprise"},
)  # fmt: skip
KDEF = Coded(
    "KDEF",
    re.compile(r"[AB][FM]\d\d(AF|AN|DI|HA|NE|SA|SU)(S|HL|HR|FL|FR)\."),
    {"AF": "fear", "AN": "angry", "DI": "disgust", "HA": "happy", "NE": "neutral", "SA": "sad",
     "SU": "surprise"},
)  # fmt: skip
