"""Files of results that a killed run can go on with: CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from mien.infer.record import Made, keep
from mien.infer.results import Picture
from mien.infer.rows import COLUMNS, rows


class Output(Protocol):
    """Where the entries of many pictures go."""

    def open(self, *, fresh: bool = False) -> set[str]:
        """Start, or go on with what is there; the sources that are already in it, as ``written``.

        Args:
            fresh: begin anew.

        Raises:
            ValueError: what is there was not written by mien, or by another model, or with other
                options.
        """
        ...

    def write(self, picture: Picture) -> None:
        """Add a picture; whole or, after a kill, not at all once ``open`` has been called again."""
        ...

    def close(self) -> None:
        """Finish."""
        ...


class CsvOutput:
    """One row a face; columns as ``mien.infer.rows.COLUMNS``.

    A picture's rows count only when all of them, each with its line end, are there: ``open`` cuts
    a half-written last picture off.
    """

    def __init__(self, path: Path, made: Made) -> None:
        self.path = path
        self.made = made

    def open(self, *, fresh: bool = False) -> set[str]:
        """See ``Output.open``."""
        self.file = _open(self.path, fresh=fresh)
        done: set[str] = set()
        whole = 0
        header = ",".join(COLUMNS) + "\n"
        if not header.startswith(self.file.readline(len(header)).decode(errors="replace")):
            self.file.close()
            raise ValueError(_foreign(self.path, "its columns differ"))
        self.file.seek(0)
        lines = _Lines(self.file)
        for row in csv.DictReader(lines):
            if not lines.ended:
                break
            self.made.same_run(self.path, row)
            if int(row["faces"]) == 0 or int(row["face"]) == int(row["faces"]) - 1:
                done.add(row["source"])
                whole = lines.at
        keep(self.path, self.made, begun=bool(done))
        _cut(self.file, whole)
        if not whole:
            self._put([list(COLUMNS)])
        return done

    def write(self, picture: Picture) -> None:
        """See ``Output.write``."""
        table = rows(picture, model=self.made.model, head=self.made.head)
        self._put([list(row.values()) for row in table])

    def close(self) -> None:
        """See ``Output.close``."""
        self.file.close()

    def _put(self, table: list[list[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(table)
        self.file.write(text.getvalue().encode())
        self.file.flush()


_START = '{"source": '


class JsonLinesOutput:
    """One line a picture: ``Picture.to_dict()`` with the ``model`` and the ``head``."""

    def __init__(self, path: Path, made: Made) -> None:
        self.path = path
        self.made = made

    def open(self, *, fresh: bool = False) -> set[str]:
        """See ``Output.open``."""
        self.file = _open(self.path, fresh=fresh)
        done: set[str] = set()
        lines = _Lines(self.file)
        whole = 0
        for line in lines:
            if not line.startswith(_START[: len(line)]):
                self.file.close()
                raise ValueError(_foreign(self.path, "a line is no entry of a picture"))
            if not lines.ended:
                break
            entry = json.loads(line)
            done.add(entry["source"])
            self.made.same_run(self.path, entry)
            whole = lines.at
        keep(self.path, self.made, begun=bool(done))
        _cut(self.file, whole)
        return done

    def write(self, picture: Picture) -> None:
        """See ``Output.write``."""
        entry = picture.to_dict() | {"model": self.made.model, "head": self.made.head}
        self.file.write((json.dumps(entry, ensure_ascii=False) + "\n").encode())
        self.file.flush()

    def close(self) -> None:
        """See ``Output.close``."""
        self.file.close()


class _Lines:
    """Lines of a binary file as text, with the offset after the last one that was taken."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.at = 0
        self.ended = True

    def __iter__(self) -> Iterator[str]:
        for line in self.file:
            self.at += len(line)
            self.ended = line.endswith(b"\n")
            yield line.decode(errors="replace")


def _open(path: Path, *, fresh: bool) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("w+b" if fresh or not path.exists() else "r+b")


def _cut(file: BinaryIO, at: int) -> None:
    file.truncate(at)
    file.seek(at)


def _foreign(path: Path, why: str) -> str:
    return f"{path}: not written by `mien predict` ({why}); name another file, or pass --overwrite"
