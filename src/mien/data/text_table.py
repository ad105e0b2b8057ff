"""Tables of text as people have them: comma, semicolon or tab, with or without a BOM."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

ARCHIVES = {
    b"PK\x03\x04": "zip archive", b"PK\x05\x06": "zip archive", b"Rar!": "RAR archive",
    b"7z\xbc\xaf": "7-Zip archive", b"\x1f\x8b": "gzip archive", b"BZh": "bzip2 archive",
    b"\xfd7zXZ": "xz archive", b"(\xb5/\xfd": "Zstandard archive",
}  # fmt: skip
ARCHIVE_SUFFIXES = frozenset((".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"))
OTHERS = {
    ".npz": "a NumPy archive", ".npy": "a NumPy array", ".parquet": "a Parquet file",
    ".h5": "an HDF5 file", ".hdf5": "an HDF5 file", ".mat": "a MATLAB file",
    ".pkl": "a pickle, which can run code", ".pickle": "a pickle, which can run code",
    ".db": "a database", ".sqlite": "a database", ".json": "a JSON file",
}  # fmt: skip
SHEETS = frozenset((".xlsx", ".xls", ".ods", ".numbers"))
TAR_AT = 257


def refuse_binary(path: Path) -> None:
    """Raise ValueError where a file is no text in UTF-8; the message says what it is instead.

    Looks at the first 64 kB. Nothing of the file is repeated in the message.
    """
    with path.open("rb") as file:
        head = file.read(1 << 16)
    if path.suffix.lower() in SHEETS:
        raise ValueError(f"{path}: a spreadsheet; save it as CSV UTF-8, then name that file")
    kind = next((kind for magic, kind in ARCHIVES.items() if head.startswith(magic)), "")
    if head[TAR_AT : TAR_AT + 5] == b"ustar":
        kind = "tar archive"
    if kind and path.suffix.lower() not in OTHERS:
        raise ValueError(f"{path}: a {kind}; unpack it first, then name the folder it makes")
    if path.suffix.lower() in OTHERS and (kind or b"\0" in head or path.suffix.lower() == ".json"):
        raise ValueError(
            f"{path}: {OTHERS[path.suffix.lower()]}; name a folder of pictures or a CSV instead"
        )
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"{path}: UTF-16, not UTF-8; save it as CSV UTF-8")
    if b"\0" in head:
        raise ValueError(f"{path}: not a text file; name a folder of pictures or a CSV in UTF-8")


def delimiter(header: str) -> str:
    """The character that separates the columns: comma, semicolon or tab."""
    return max(",;\t", key=header.count)


def columns_of(names: Sequence[str]) -> list[str]:
    """Column names in lower case, without spaces and quotes around them."""
    return [name.strip().strip('"').strip().lower() for name in names]


def shown(names: Sequence[str]) -> str:
    """A few column names for a message, however many and long they are."""
    some = ", ".join(repr(name[:24])[1:-1] for name in names[:8])
    return some + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def read_rows(path: Path) -> list[list[str]]:
    """Every row of a table that holds anything, split into cells.

    Raises:
        ValueError: no UTF-8, an archive, or quotes that do not close.
        FileNotFoundError: no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; check the path")
    refuse_binary(path)
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8; save it as CSV UTF-8") from None
    if "\n" not in text:  # line ends of old Macs
        text = text.replace("\r", "\n")
    mark = delimiter(text.partition("\n")[0])
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=mark))
    except csv.Error as error:
        raise ValueError(f"{path}: {error}; close its quotes") from None
    return [row for row in rows if any(cell.strip() for cell in row)]
