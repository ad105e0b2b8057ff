"""Image folders as people have them: any depth, any file names, emotions by folder.

faces/train/happy/1.png   faces/TEST/Sad/2.jpg   faces/분노/3.png   faces/0/4.png
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

import numpy as np

from mien.data.entries import Listing, no_votes
from mien.data.formats.labelled import split_above, usages
from mien.data.tree import Tree
from mien.data.words import (
    NO_LABEL,
    UNLABELLED,
    Class,
    numbered,
    split_of,
    understand,
    unknown_names,
    whole,
)

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
    told = list(tree.told)
    classes = _numbers(tree, numbers, told)
    found = {
        folder: _class_of(folder, mapping, classes)
        for folder in {path.rpartition("/")[0] for path in tree.pictures}
    }
    splits = {folder: split_above(f"{folder}/x") for folder in found}
    each = [found[path.rpartition("/")[0]] for path in tree.pictures]
    unknown: Counter[str] = Counter()
    outside: dict[int, tuple[str, str]] = {}
    for row, (path, known) in enumerate(zip(tree.pictures, each, strict=True)):
        folder = path.rpartition("/")[0]
        if known is None:
            unknown[folder] += 1
        elif known.reason:
            outside[row] = (known.reason, known.detail)
    if sum(why == NO_LABEL for why, _ in outside.values()) == len(each):
        raise ValueError(
            f"{tree.root}: {len(each):,} pictures lie in no folder that names an emotion; labels "
            "come from folders (happy/1.png), or from a table beside them: "
            "labels.csv (file,emotion), or votes.csv"
        )
    if unknown:
        raise unknown_names(unknown, f"{tree.root}: folders", classes)
    return Listing(
        root=tree.root,
        id=list(tree.pictures),
        emotion=np.array([c.emotion if c else UNLABELLED for c in each], np.int64),
        split=[splits[path.rpartition("/")[0]] for path in tree.pictures],
        usage=usages(tree.pictures),
        votes=no_votes(len(each)),
        ignored=len(tree.others),
        outside=outside,
        told=tuple(told),
    )


def _class_of(folder: str, mapping: Mapping[str, str], numbers: Mapping[str, str]) -> Class | None:
    """Class of the nearest folder that names one; none is needed beside folders of splits."""
    above = list(reversed(PurePosixPath(folder).parts))
    named = (understand(name, mapping, numbers) for name in above)
    known = next((each for each in named if each is not None), None)
    if known is None and all(split_of(name) for name in above):
        return Class(UNLABELLED, NO_LABEL, NO_FOLDER)
    return known


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
