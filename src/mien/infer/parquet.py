"""Parquet: a folder of parts, each written whole, so that a killed run can go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mien.infer.job import Summary
from mien.infer.outputs import same_run
from mien.infer.results import Picture
from mien.infer.rows import COLUMNS, rows

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.fs import FileSystem

PART = 4096
"""Pictures in one part."""


def schema() -> pyarrow.Schema:
    """Arrow types of ``rows.COLUMNS``."""
    import pyarrow as pa

    types = {str: pa.string(), int: pa.int32(), float: pa.float64(), bool: pa.bool_()}
    return pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])


def table(pictures: Iterable[Picture], *, model: str, head: str) -> pyarrow.Table:
    """Pictures as an Arrow table, one row a face."""
    import pyarrow as pa

    flat = [row for picture in pictures for row in rows(picture, model=model, head=head)]
    return pa.Table.from_pylist(flat, schema=schema())


def parts(out: str) -> list[str]:
    """Paths of the Parquet files in a folder or at an address; empty where there is nothing."""
    from pyarrow.fs import FileSelector

    filesystem, place = _filesystem(out)
    found = filesystem.get_file_info(FileSelector(place, recursive=True, allow_not_found=True))
    return sorted(info.path for info in found if info.path.endswith(".parquet"))


def sources(out: str, paths: list[str]) -> set[str]:
    """Sources that have rows in the given parts of ``out``."""
    found: set[str] = set()
    for batch in _batches(out, paths, ["source"]):
        found.update(batch.column("source").to_pylist())
    return found


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


class ParquetOutput:
    """A folder of ``part-00000.parquet`` and on, as Ray, Spark, pandas or DuckDB read it.

    A part appears under its name when it is complete; a kill loses at most the pictures since the
    last part, and the next run makes them again.
    """

    def __init__(self, path: Path, *, model: str, head: str = "votes", part: int = PART) -> None:
        self.path = path
        self.model = model
        self.head = head
        self.part = part

    def open(self, *, fresh: bool = False) -> set[str]:
        """See ``outputs.Output.open``."""
        import pyarrow.parquet as pq

        if self.path.is_file():
            raise ValueError(f"{self.path}: a file; Parquet is written as a folder of parts")
        self.path.mkdir(parents=True, exist_ok=True)
        self.pending: list[Picture] = []
        done: set[str] = set()
        parts = sorted(self.path.glob("*.parquet"))
        for path in parts:
            if fresh:
                path.unlink()
                continue
            columns = pq.read_table(path, columns=["source", "model", "head"])
            if len(columns):
                same_run(self.path, columns.slice(0, 1).to_pylist()[0], self.model, self.head)
            done.update(columns.column("source").to_pylist())
        numbers = [int(p.stem[5:]) for p in parts if p.stem[5:].isdigit() and not fresh]
        self.number = max(numbers, default=-1) + 1
        return done

    def write(self, picture: Picture) -> None:
        """See ``outputs.Output.write``."""
        self.pending.append(picture)
        if len(self.pending) >= self.part:
            self._flush()

    def close(self) -> None:
        """See ``outputs.Output.close``."""
        self._flush()

    def _flush(self) -> None:
        import pyarrow.parquet as pq

        if not self.pending:
            return
        scratch = self.path / ".part"
        pq.write_table(table(self.pending, model=self.model, head=self.head), scratch)
        scratch.replace(self.path / f"part-{self.number:05}.parquet")
        self.number += 1
        self.pending = []
