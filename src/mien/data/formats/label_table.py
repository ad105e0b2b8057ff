"""A table beside pictures: ``labels.csv`` and its like, one row a picture.

file,emotion           image;label;split
faces/001.jpg,happy    001.jpg;Sad;train
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mien.data.ballots import FEWEST, FILE_COLUMNS, ballot_columns, counts_of
from mien.data.formats.folders import RAF_NAME
from mien.data.formats.labelled import Labels, Said
from mien.data.text_table import columns_of, read_rows, shown
from mien.data.tree import Tree
from mien.data.words import numbered, split_of, whole

NAMES = (
    "labels.csv", "label.csv", "labels.tsv", "labels.txt", "annotations.csv",
    "training.csv", "validation.csv", "automatically_annotated.csv",  # AffectNet's
)  # fmt: skip
ENDINGS = ("_labels.csv", "_label.csv", "_annotations.csv")
LABEL_COLUMNS = ("emotion", "label", "expression", "class", "labels", "target", "category", "감정")
SPLIT_COLUMNS = ("split", "usage", "subset", "set", "partition", "fold")
AFFECTNET_COLUMN = "subdirectory_filepath"


def find(tree: Tree) -> list[str]:
    """Tables of a tree that are called as label tables are."""
    names = [path.rpartition("/")[2].lower() for path in tree.others]
    return [
        path
        for path, name in zip(tree.others, names, strict=True)
        if name in NAMES or name.endswith(ENDINGS)
    ]


def is_table(path: Path) -> bool:
    """Whether a file has a column for the picture and one for its class."""
    rows = read_rows(path)
    head = columns_of(rows[0]) if rows else []
    return bool(_column(head, FILE_COLUMNS) + 1 and _column(head, LABEL_COLUMNS) + 1)


def read(tree: Tree, tables: Sequence[str], numbers: str = "") -> Labels:
    """What tables of a tree say of its pictures.

    The split is that of a column ``split`` or ``usage``, else what the table's own name begins
    with (``train_labels.csv``). Numbered classes are RAF-DB's where pictures are named as there,
    AffectNet's where the columns are; else ``numbers`` says whose.

    Raises:
        ValueError: a table without a column for the picture or for the class.
    """
    labels = Labels(" and ".join(tables[:3]), numbers=numbered(numbers) if numbers else {})
    for table in tables:
        path = tree.root / table
        rows = read_rows(path)
        head = columns_of(rows[0]) if rows else []
        at_file, at_label = _column(head, FILE_COLUMNS), _column(head, LABEL_COLUMNS)
        if at_file < 0 or at_label < 0:
            raise ValueError(
                f"{path}: a table of labels needs the columns file and emotion; it has "
                f"{shown(head)}"
            )
        at_split = _column(head, SPLIT_COLUMNS)
        part = split_of(PurePosixPath(table).stem.split("_")[0])
        below = PurePosixPath(table).parent
        options = ballot_columns(head)
        if len(options) < FEWEST or {"valence", "arousal"} & set(head):
            options = {}
        for number, row in enumerate(rows[1:], start=2):
            cells = [*row, *[""] * (len(head) - len(row))]
            name, word = cells[at_file].strip(), whole(cells[at_label].strip())
            split = (split_of(cells[at_split]) if at_split >= 0 else "") or part
            picture = tree.find(str(below / name)) or tree.find(name) or _aligned(tree, name)
            votes = counts_of(dict(zip(head, cells, strict=False)), options, path, number)
            said = Said(word, split, "" if word else "no label", votes if len(options) else None)
            labels.add(tree, name, said, path=picture)
        if not labels.numbers and head[at_file] == AFFECTNET_COLUMN:
            labels.numbers = numbered("affectnet")
    if not labels.numbers and all(RAF_NAME.match(path.rpartition("/")[2]) for path in labels.said):
        labels.numbers = numbered("rafdb")
    return labels


def _aligned(tree: Tree, name: str) -> str | None:
    stem, dot, suffix = name.rpartition(".")
    return tree.find(f"{stem}_aligned{dot}{suffix}") if dot else None


def _column(head: Sequence[str], names: Sequence[str]) -> int:
    """Where the first of ``names`` that a table has stands; -1 if it has none."""
    return next((head.index(name) for name in names if name in head), -1)
