"""Files of results that a killed run can go on with: CSV and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

from mien.atomic import replacing
from mien.infer.record import Made, keep, lock
from mien.infer.results import Picture
from mien.infer.rows import COLUMNS, rows


class Output(Protocol):
    """Where the entries of many pictures go."""

    path: Path
    unread: int
    """Pictures among those held, after ``open``, that could not be read when they were tried."""

    def open(self, *, fresh: bool = False, retry: bool = False) -> set[str]:
        """Start, or go on with what is there; the sources that are already in it, as ``written``.

        Args:
            fresh: start afresh.
            retry: take out the pictures that could not be read, so that they are tried again.

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


class _FileOutput:
    """What the two kinds of files share: one run at a time goes on with one."""

    def __init__(self, path: Path, made: Made) -> None:
        self.path = path
        self.made = made

    def open(self, *, fresh: bool = False, retry: bool = False) -> set[str]:
        """See ``Output.open``."""
        self._failed: dict[str, tuple[int, int]] = {}
        self.file = _open(self.path, fresh=fresh)
        with _closed_on_error(self.file):
            done = self._resume()
            if retry and self._failed:
                self._drop(self._failed.values())
                done -= self._failed.keys()
                self._failed = {}
        self.unread = len(self._failed)
        return done

    def close(self) -> None:
        """See ``Output.close``."""
        self.file.close()

    def _resume(self) -> set[str]:
        raise NotImplementedError

    def _drop(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Take bytes out of the file; it is whole at any time, the old one or the new one."""
        with replacing(self.path) as part:
            self._copy_but(ranges, part)
            self.file.close()  # or Windows would not replace it
        self.file = _open(self.path, fresh=False)
        self.file.seek(0, os.SEEK_END)

    def _copy_but(self, ranges: Iterable[tuple[int, int]], target: Path) -> None:
        with target.open("wb") as kept:
            at = 0
            for start, end in (*ranges, (self.file.seek(0, os.SEEK_END),) * 2):
                self.file.seek(at)
                while at < start:
                    chunk = self.file.read(min(start - at, 1 << 20))
                    kept.write(chunk)
                    at += len(chunk)
                at = end
            kept.flush()
            os.fsync(kept.fileno())


class CsvOutput(_FileOutput):
    """One row a face; columns as ``mien.infer.rows.COLUMNS``.

    Text that a spreadsheet would run as a formula has an apostrophe before it.
    A picture's rows count only when all of them, each with its line end, are there: ``open`` cuts
    a half-written last picture off.
    """

    def _resume(self) -> set[str]:
        done: set[str] = set()
        whole = 0
        header = ",".join(COLUMNS) + "\n"
        if not header.startswith(self.file.readline(len(header)).decode(errors="replace")):
            raise ValueError(_foreign(self.path, "its columns differ"))
        self.file.seek(0)
        lines = _Lines(self.file)
        for row, last in self._rows(lines):
            self.made.same_run(self.path, row | {"model": unguarded(row["model"])})
            if last:
                source = unguarded(row["source"])
                done.add(source)
                if row["error"]:  # then it is its picture's only row
                    self._failed[source] = (whole or len(header), lines.at)
                whole = lines.at
        keep(self.path, self.made, begun=bool(done))
        _cut(self.file, whole)
        if not whole:
            self._put([list(COLUMNS)])
        return done

    def _rows(self, lines: _Lines) -> Iterator[tuple[dict[str, str], bool]]:
        """Rows that ended, and whether each is its picture's last."""
        try:
            for row in csv.DictReader(lines):
                if not lines.ended:
                    return
                faces = int(row["faces"])
                yield row, faces == 0 or int(row["face"]) == faces - 1
        except (csv.Error, TypeError, ValueError):
            raise ValueError(_damaged(self.path, lines.number)) from None

    def write(self, picture: Picture) -> None:
        """See ``Output.write``."""
        self._put([list(map(guarded, row.values())) for row in rows(picture, self.made)])

    def _put(self, table: list[list[Any]]) -> None:
        text = io.StringIO(newline="")
        # a carriage return in a name ends a line for readers, unless it stands in quotes
        bare = any("\r" in cell for row in table for cell in row if isinstance(cell, str))
        rule: Literal[0, 1] = csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL
        csv.writer(text, lineterminator="\n", quoting=rule).writerows(table)
        self.file.write(text.getvalue().encode())
        self.file.flush()


_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def guarded(cell: Any) -> Any:
    """A cell that a spreadsheet takes for text: an apostrophe before what would be a formula.

    Only text is touched; numbers may begin with a minus.
    """
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """What ``guarded`` was given."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


_START = '{"source": '


class JsonLinesOutput(_FileOutput):
    """One line a picture: ``Picture.to_dict()`` and ``Made.columns()``."""

    def _resume(self) -> set[str]:
        done: set[str] = set()
        lines = _Lines(self.file)
        whole = 0
        for line in lines:
            if not line.startswith(_START[: len(line)]):
                raise ValueError(_foreign(self.path, "a line is no entry of a picture"))
            if not lines.ended:
                break
            try:
                entry = json.loads(line)
            except ValueError:
                raise ValueError(_damaged(self.path, lines.number)) from None
            done.add(entry["source"])
            if "error" in entry:
                self._failed[entry["source"]] = (whole, lines.at)
            self.made.same_run(self.path, entry)
            whole = lines.at
        keep(self.path, self.made, begun=bool(done))
        _cut(self.file, whole)
        return done

    def write(self, picture: Picture) -> None:
        """See ``Output.write``."""
        entry = picture.to_dict() | self.made.columns()
        self.file.write((json.dumps(entry, ensure_ascii=False) + "\n").encode())
        self.file.flush()


class _Lines:
    """Lines of a binary file as text, with the offset after the last one that was taken."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.at = 0
        self.number = 0
        self.ended = True

    def __iter__(self) -> Iterator[str]:
        for line in self.file:
            self.at += len(line)
            self.number += 1
            self.ended = line.endswith(b"\n")
            yield line.decode(errors="replace")


def _open(path: Path, *, fresh: bool) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    # not "w+b", which would empty the file of a run that is still writing it
    file = os.fdopen(
        os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b"
    )
    with _closed_on_error(file):
        lock(file.fileno(), path)
        if fresh:
            file.truncate()
    return file


@contextmanager
def _closed_on_error(file: BinaryIO) -> Iterator[None]:
    """Give the file free for another try."""
    try:
        yield
    except BaseException:
        file.close()
        raise


def _cut(file: BinaryIO, at: int) -> None:
    file.truncate(at)
    file.seek(at)


def check_file(path: Path) -> None:
    """Refuse outputs that can neither be resumed nor replaced, before any is touched.

    Raises:
        ValueError: a folder, a device or a pipe.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: not a file, so results cannot go there; name a file")


def _damaged(path: Path, line: int) -> str:
    return f"{path}: line {line} is damaged; mend or remove it, or pass --overwrite"


def _foreign(path: Path, why: str) -> str:
    return f"{path}: not written by `mien predict` ({why}); name another file, or pass --overwrite"
