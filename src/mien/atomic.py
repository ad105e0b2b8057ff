"""Files that appear whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PART = ".part"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it takes the name when the block ends well."""
    part = path.with_name(f".{path.name}{PART}")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> bool:
    """Write ``data`` unless the file holds just that; returns whether it wrote."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return False
    with replacing(path) as part, part.open("wb") as file:
        file.write(data)
    return True


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table in UTF-8 with Unix line ends."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table with a header; none where there is no file.

    Raises:
        ValueError: it is not UTF-8.
    """
    return read_table(path)[1]


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and the rows of a table with a header; none where there is no file.

    Raises:
        ValueError: it is not UTF-8.
    """
    if not path.exists():
        return [], []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            return list(reader.fieldnames or ()), list(reader)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8; save it as CSV UTF-8") from None


def write_json(path: Path, value: Any) -> None:
    """Write plain JSON types, keys sorted."""
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
    write_bytes(path, text.encode() + b"\n")


def sweep(folders: Iterable[Path]) -> None:
    """Remove what killed writers left in these folders; those below them are not looked into."""
    for folder in folders:
        for part in sorted(folder.glob(f".*{PART}")):
            if part.is_file():
                part.unlink()
