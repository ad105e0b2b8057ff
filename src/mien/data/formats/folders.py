"""Image folders as people have them: any depth, any file names, emotions by folder.

faces/train/happy/1.png   faces/TEST/Sad/2.jpg   faces/분노/3.png   faces/0/4.png
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from mien.data.entries import Listing
from mien.data.formats.labelled import Labels, Said, to_listing
from mien.data.tree import Tree
from mien.data.words import numbered, split_of, understand, unknown_names, whole

AFFECTNET_FOLDERS = frozenset("01234567")
RAF_NAME = re.compile(r"(train|test)_\d{5}(_aligned)?\.", re.IGNORECASE)
NO_FOLDER = "in no folder of an emotion"


def list_folder(tree: Tree, mapping: Mapping[str, str], numbers: str = "") -> Listing:
    """Every picture of a tree, labelled by the nearest folder above it that names a class.

    A folder that names a split ("train", "VAL", "PrivateTest", "학습") is its split; a file name
    that begins with "Training_", "PublicTest_" or "PrivateTest_" tells its usage in the FER-2013
    contest. Folders 1 to 7 are RAF-DB's where files are named as there, 0 to 7 AffectNet's;
    ``numbers`` names a data set of ``words.NUMBERS`` where that is wrong.

    Raises:
        ValueError: folders that mean no class, or pictures that lie in none.
    """
    labels = Labels("the folders")
    labels.numbers = _numbers(tree, numbers, labels.told)
    above = [path.rpartition("/")[0] for path in tree.pictures]
    naming = {folder: _naming(folder, mapping, labels.numbers) for folder in set(above)}
    if unknown := Counter(folder for folder in above if naming[folder] is None):
        raise unknown_names(unknown, f"{tree.root}: folders", labels.numbers)
    if not any(naming.values()):
        raise ValueError(
            f"{tree.root}: {len(above):,} pictures lie in no folder that names an emotion; labels "
            "come from folders (happy/1.png), or from a table beside them: "
            "labels.csv (file,emotion), or votes.csv"
        )
    said = {folder: Said(word or "", why=NO_FOLDER) for folder, word in naming.items()}
    labels.said = {path: said[f] for path, f in zip(tree.pictures, above, strict=True)}
    return to_listing(tree, labels, mapping)


def _naming(folder: str, mapping: Mapping[str, str], numbers: Mapping[str, str]) -> str | None:
    """The nearest folder's name that names a class; "" where only splits, or none, are above."""
    above = list(reversed(PurePosixPath(folder).parts))
    named = (name for name in above if understand(name, mapping, numbers) is not None)
    return next(named, "" if all(split_of(name) for name in above) else None)


def _numbers(tree: Tree, numbers: str, told: list[str]) -> dict[str, str]:
    """What folders named by numbers mean, where that can be told."""
    if numbers:
        return numbered(numbers)
    parts = (PurePosixPath(path).parts[-2:] for path in tree.pictures)
    ends = {(whole(part[0]), bool(RAF_NAME.match(part[1]))) for part in parts if len(part) > 1}
    digits = {folder for folder, _ in ends if folder.isdecimal()}
    if not digits:
        return {}
    if all(raf for folder, raf in ends if folder.isdecimal()) and digits <= set("1234567"):
        data_set = "rafdb"
    elif digits == AFFECTNET_FOLDERS or "affectnet" in str(tree.root.resolve()).lower():
        data_set = "affectnet"
    else:
        return {}
    words = ", ".join(f"{k} {v}" for k, v in numbered(data_set).items() if k in digits)
    told.append(f"{tree.root}: numbered folders are read as {data_set}'s ({words}); else --numbers")
    return numbered(data_set)
