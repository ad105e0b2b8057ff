"""Pictures that only people's votes label: ``votes.csv`` beside them, and no folders of classes.

file,votes_neutral,votes_happiness,…,votes_NF
a.jpg,1,8,0,0,0,0,0,0,1,0
"""

from __future__ import annotations

from mien.data.ballots import FEWEST, ballot_columns, counts_of, file_column
from mien.data.entries import NO_VOTES
from mien.data.formats import label_table
from mien.data.formats.labelled import Labels, Said
from mien.data.text_table import columns_of, read_rows
from mien.data.tree import Tree
from mien.data.words import split_of
from mien.emotions import BALLOT

NAME = "votes.csv"
_NAMED = 8
"""Options before unknown and NF."""


def find(tree: Tree) -> list[str]:
    """The table, where neither a folder nor another table can give a label."""
    folders = {part for path in tree.pictures for part in path.split("/")[:-1]}
    if NAME not in tree.others or label_table.find(tree) or not all(map(split_of, folders)):
        return []
    rows = read_rows(tree.root / NAME)
    head = columns_of(rows[0]) if rows else []
    return [NAME] if file_column(head) and len(ballot_columns(head)) >= FEWEST else []


def read(tree: Tree, tables: list[str]) -> Labels:
    """The option with the most votes, the first of equals; the votes are merged later."""
    labels = Labels(tables[0])
    path = tree.root / tables[0]
    rows = read_rows(path)
    head = columns_of(rows[0])
    at, options = head.index(file_column(head)), ballot_columns(head)
    for number, row in enumerate(rows[1:], start=2):
        cells = [*row, *[""] * (len(head) - len(row))]
        votes = counts_of(dict(zip(head, cells, strict=False)), options, path, number)
        top = int(votes.argmax())
        if votes[top] == NO_VOTES:
            said = Said(why="no votes")
        elif top >= _NAMED:
            said = Said(why="most people named no expression")
        else:
            said = Said(BALLOT[top])
        labels.add(tree, cells[at].strip(), said)
    return labels
