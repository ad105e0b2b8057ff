"""RAF-DB (Li et al. 2017): ``list_patition_label.txt`` with one line a picture.

    train_00001.jpg 5         on disk Image/aligned/train_00001_aligned.jpg

1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral.
"""

from __future__ import annotations

from mien.data.formats.labelled import Labels, Said
from mien.data.text_table import refuse_binary
from mien.data.tree import Tree, named
from mien.data.words import numbered, split_of, whole

LISTS = ("list_patition_label.txt", "list_partition_label.txt")  # the first is the official one


def find(tree: Tree) -> list[str]:
    """The lists of a tree."""
    return list(named(tree.others, *LISTS))


def read(tree: Tree, lists: list[str]) -> Labels:
    """Labels and splits of both versions of each picture, the aligned one where it is there."""
    labels = Labels(lists[0], numbers=numbered("rafdb"))
    for each in lists:
        path = tree.root / each
        refuse_binary(path)
        for line in path.read_text("utf-8-sig", "replace").splitlines():
            words = line.replace(",", " ").split()
            if len(words) < 2:
                continue
            name, number = words[0], words[-1]
            stem = name.rpartition(".")[0] or name
            split = split_of(name.split("_")[0])
            picture = tree.find(f"{stem}_aligned") or tree.find(name)
            labels.add(tree, name, Said(whole(number), split), path=picture)
            original = tree.find(name)
            if picture is not None and original not in (None, picture):
                why = "the aligned picture of this face is taken"
                labels.add(tree, name, Said(split=split, why=why), path=original)
    return labels
