"""Parquet: a folder of parts, each written whole, so that a killed run can go on."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mien.atomic import replacing
from mien.infer.job import Summary
from mien.infer.record import Made, lock
from mien.infer.results import Picture
from mien.infer.rows import COLUMNS, rows

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.fs import FileSystem

PART = 4096
"""Most pictures in one part."""
SECONDS = 60
"""So long at most, where pictures come, until a part is written."""
RECORD = "_mien.json"
"""Beside the parts; readers of Parquet pass over names that begin so."""


def schema() -> pyarrow.Schema:
    """Arrow types of ``rows.COLUMNS``."""
    import pyarrow as pa

    types = {str: pa.string(), int: pa.int32(), float: pa.float64(), bool: pa.bool_()}
    return pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])


def table(pictures: Iterable[Picture], made: Made) -> pyarrow.Table:
    """Pictures as an Arrow table, one row a face."""
    import pyarrow as pa

    flat = [row for picture in pictures for row in rows(picture, made)]
    return pa.Table.from_pylist(flat, schema=schema())


def parts(out: str) -> list[str]:
    """Paths of the Parquet files in a folder or at an address; empty where there is nothing."""
    from pyarrow.fs import FileSelector

    filesystem, place = _filesystem(out)
    found = filesystem.get_file_info(FileSelector(place, allow_not_found=True))
    return sorted(info.path for info in found if info.path.endswith(".parquet"))


def held(out: str, paths: list[str], made: Made) -> set[str]:
    """Sources that have rows in the given parts of ``out``.

    Raises:
        ValueError: the parts were made by another model, with other options, or not by mien.
    """
    from pyarrow.fs import FileType

    filesystem, place = _filesystem(out)
    _check_ours(out, paths)
    record = f"{place.rstrip('/')}/{RECORD}"
    if paths and filesystem.get_file_info(record).type == FileType.File:
        with filesystem.open_input_stream(record) as stream:
            made.check(out, stream.read().decode(errors="replace"))
    found: set[str] = set()
    for batch in _batches(out, paths, ["source", "model", "head"]):
        if len(batch):  # a part is of one run, and a batch of one part
            made.same_run(out, batch.slice(0, 1).to_pylist()[0])
        found.update(batch.column("source").to_pylist())
    return found


def forget_errors(out: str, paths: list[str]) -> None:
    """Take the pictures that could not be read out of the given parts of ``out``.

    Each part is replaced by a whole one; what is left empty is removed.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    filesystem, place = _filesystem(out)
    scratch = f"{place.rstrip('/')}/_retry.tmp"
    for path in paths:
        whole = pq.read_table(path, filesystem=filesystem, schema=schema())
        kept = whole.filter(pc.is_null(whole["error"]))
        if not len(kept):
            filesystem.delete_file(path)
        elif len(kept) < len(whole):
            pq.write_table(kept, scratch, filesystem=filesystem)
            filesystem.move(scratch, path)


def begin(out: str, old: list[str], made: Made, *, fresh: bool) -> None:
    """Make a folder ready for parts: without the old ones if ``fresh``, with a record if empty.

    Parts without a record, as earlier versions wrote them, stay without one.

    Raises:
        ValueError: a part that would be removed was not written by mien; nothing has been.
    """
    from pyarrow.fs import LocalFileSystem

    filesystem, place = _filesystem(out)
    if fresh:
        _check_ours(out, old)
        for path in old:
            filesystem.delete_file(path)
    elif old:
        return
    if isinstance(filesystem, LocalFileSystem):  # an object store has no folders to make
        filesystem.create_dir(place, recursive=True)
    with filesystem.open_output_stream(f"{place.rstrip('/')}/{RECORD}") as stream:
        stream.write(made.to_json().encode())


def count(out: str, paths: list[str]) -> Summary:
    """What the given parts of ``out`` hold."""
    result = Summary()
    for batch in _batches(out, paths, ["face", "top", "error"]):
        for face, top, error in zip(*batch.to_pydict().values(), strict=True):
            result.pictures += face is None or face == 0
            result.errors += error is not None
            result.faceless += face is None and error is None
            result.faces += face is not None
            if top is not None:
                result.tops[top] += 1
    return result


def _check_ours(out: str, paths: list[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    filesystem = _filesystem(out)[0]
    for path in paths:
        try:
            names = pq.read_schema(path, filesystem=filesystem).names
        except pa.ArrowInvalid:
            names = []
        if not {"source", "face", "model", "head"} <= set(names):
            raise ValueError(f"{path}: not written by `mien predict`; name another folder")


def _batches(out: str, paths: list[str], columns: list[str]) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow.dataset as ds

    if paths:
        found = ds.dataset(paths, filesystem=_filesystem(out)[0], schema=schema())
        yield from found.to_batches(columns=columns)


def _filesystem(out: str) -> tuple[FileSystem, str]:
    from pyarrow.fs import FileSystem, LocalFileSystem

    if "://" in out:
        filesystem, place = FileSystem.from_uri(out)
        return filesystem, place
    return LocalFileSystem(), str(Path(out).absolute())


def check_folder(path: Path) -> None:
    """Refuse a file in the place of the folder.

    Raises:
        ValueError: there is one.
    """
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path}: a file; Parquet is written as a folder of parts")


class ParquetOutput:
    """A folder of ``part-00000.parquet`` and on, as Ray, Spark, pandas or DuckDB read it.

    A part appears under its name when it is complete; a kill loses at most the pictures of
    the last minute, and the next run makes them again.
    """

    def __init__(self, path: Path, made: Made, *, part: int = PART) -> None:
        self.path = path
        self.made = made
        self.part = part

    def open(self, *, fresh: bool = False, retry: bool = False) -> set[str]:
        """See ``outputs.Output.open``."""
        check_folder(self.path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.pending: list[Picture] = []
        self.flushed = time.monotonic()
        self.held = os.open(self.path, os.O_RDONLY) if os.name == "posix" else None
        try:
            return self._resume(fresh=fresh, retry=retry)
        except BaseException:  # give the folder free for another try
            self.close()
            raise

    def _resume(self, *, fresh: bool, retry: bool) -> set[str]:
        if self.held is not None:  # elsewhere a folder cannot be opened
            lock(self.held, self.path)
        old = parts(str(self.path))
        done = set() if fresh else held(str(self.path), old, self.made)
        if retry and not fresh:
            forget_errors(str(self.path), old)
            old = parts(str(self.path))
            done = held(str(self.path), old, self.made)
        errors = () if fresh else _batches(str(self.path), old, ["error"])
        self.unread = sum(len(batch) - batch.column("error").null_count for batch in errors)
        begin(str(self.path), old, self.made, fresh=fresh)
        stems = [Path(path).stem[5:] for path in old if not fresh]
        numbers = [int(stem) for stem in stems if stem.isdigit()]
        self.number = max(numbers, default=-1) + 1
        return done

    def write(self, picture: Picture) -> None:
        """See ``outputs.Output.write``."""
        self.pending.append(picture)
        if len(self.pending) >= self.part or time.monotonic() - self.flushed >= SECONDS:
            self._flush()

    def close(self) -> None:
        """See ``outputs.Output.close``."""
        self._flush()
        if self.held is not None:
            os.close(self.held)
            self.held = None

    def _flush(self) -> None:
        import pyarrow.parquet as pq

        if not self.pending:
            return
        with replacing(self.path / f"part-{self.number:05}.parquet") as part:
            pq.write_table(table(self.pending, self.made), part)
        # in this order: a signal in between writes the same part again, and none twice
        self.pending = []
        self.number += 1
        self.flushed = time.monotonic()
