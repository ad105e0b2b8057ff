"""Cells of the tables that prepare writes: any name goes in, and comes out as it was.

A name may hold a line end, and may begin with ``=``, which a spreadsheet would run as a formula.
Such a cell is written with ``'`` in front, as spreadsheets do; reading takes it away again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mien import atomic

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def guarded(cell: object) -> object:
    """A cell that no spreadsheet runs."""
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def plain(cell: str) -> str:
    """What ``guarded`` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table in UTF-8 with Unix line ends; cells with line ends are quoted."""
    lines = [",".join(header)]
    lines += [",".join(_quoted(guarded(cell)) for cell in row) for row in rows]
    atomic.write_bytes(path, "".join(line + "\n" for line in lines).encode())


def _quoted(cell: object) -> str:
    text = str(cell)
    if any(sign in text for sign in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table with a header; none where there is no file.

    Raises:
        ValueError: it is not UTF-8, or no table.
    """
    return read_table(path)[1]


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and the rows of a table with a header; none where there is no file.

    Raises:
        ValueError: it is not UTF-8, or no table.
    """
    if not path.exists():
        return [], []
    try:
        text = path.read_bytes().decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
        rows = [
            {name: plain(cell or "") for name, cell in row.items() if name is not None}
            for row in reader
        ]
        return list(reader.fieldnames or ()), rows
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8; save it as CSV UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{path}: {error}; restore it, or prepare with --fresh") from None
