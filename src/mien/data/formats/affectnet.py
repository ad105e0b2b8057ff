"""AffectNet (Mollahosseini et al. 2017): a number beside each picture, in a file of its own.

    train_set/images/12.jpg with train_set/annotations/12_exp.npy

0 neutral, 1 happy, 2 sad, 3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt, 8 none, 9 uncertain,
10 no face. Its CSV (subDirectory_filePath, expression) is read by ``label_table``, its folders 0 to
7 by ``folders``.
"""

from __future__ import annotations

import numpy as np

from mien.data.formats.labelled import Labels, Said
from mien.data.tree import Tree
from mien.data.words import numbered, whole

ENDING = "_exp.npy"


def find(tree: Tree) -> list[str]:
    """The files of expressions of a tree."""
    return [path for path in tree.others if path.endswith(ENDING)]


def read(tree: Tree, files: list[str]) -> Labels:
    """Labels from one small array a picture."""
    labels = Labels(f"annotations/*{ENDING}", numbers=numbered("affectnet"))
    for path in files:
        stem = path.removesuffix(ENDING).replace("annotations/", "images/")
        try:
            value = np.load(tree.root / path, allow_pickle=False)
            said = Said(whole(str(value.reshape(-1)[0])))
        except (ValueError, OSError, EOFError, IndexError):
            said = Said(why=f"{path} is damaged")
        labels.add(tree, stem, said)
    return labels
