"""The same job on a Ray cluster, which schedules, retries and scales one function on a batch.

Needs the extra ``ray``.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import time
from typing import TYPE_CHECKING, Any

from mien.infer.inputs import find_pictures
from mien.infer.job import Summary
from mien.infer.many import analyze_batch
from mien.infer.model import Model, load
from mien.infer.parquet import begin, count, forget_errors, held, parts, table
from mien.infer.record import Made
from mien.infer.results import Picture, written

if TYPE_CHECKING:
    import pyarrow
    import ray.data

PER_ACTOR = 64
"""Pictures that an actor takes at a time."""
FILE = "mien_file"
"""Column with a local path's bytes: Arrow's strings hold only UTF-8."""

_ACTOR = 0.9  # of a core: reading and writing, which mostly wait, need a place beside the actors
_BESIDE = 0.1


class Analyst:
    """One model on one core of the cluster: an actor of Ray Data.

    Args:
        bundle: name or folder of the bundle, as the worker sees it.
        head: whose ``top`` is meant.
        crops: take every picture as one crop.
        min_face: side in pixels of the smallest face to search for.
    """

    def __init__(self, bundle: str | None, *, head: str, crops: bool, min_face: int) -> None:
        self.bundle = bundle
        self.head = head
        self.crops = crops
        self.min_face = min_face
        self.model: Model | None = None

    def __call__(self, batch: pyarrow.Table) -> pyarrow.Table:
        """Columns as ``called`` and ``content`` take, to a row a face as in other outputs."""
        if self.model is None:
            self.model = load(self.bundle, threads=1, head=self.head)
        rows = batch.to_pylist()
        fetched = [_had(row) for row in rows]
        names = [called(row) for row in rows]
        found = [
            (source, name)
            for source, name in zip(fetched, names, strict=True)
            if not isinstance(source, Picture)
        ]
        entries = iter(
            analyze_batch(
                self.model, [source for source, _ in found], names=[name for _, name in found],
                crops=self.crops, min_face=self.min_face,
            )
        )  # fmt: skip
        pictures = [each if isinstance(each, Picture) else next(entries) for each in fetched]
        made = Made.by(self.model, crops=self.crops, min_face=self.min_face)
        return table(pictures, made)


def called(row: dict[str, Any]) -> str:
    """What a picture is called in the rows: its ``path``, or for lack of one its bytes' sha256."""
    path: str | None = row.get("path")
    return path or f"sha256:{hashlib.sha256(row.get('bytes') or b'').hexdigest()}"


def _had(row: dict[str, Any]) -> str | bytes | Picture:
    """What ``content`` gives; an entry with an error where it cannot be had."""
    try:
        return content(row)
    except Exception as error:  # an address that is gone must not end the job
        name = called(row)
        return Picture(name, error=f"{name}: cannot be fetched ({error}); check the address")


def content(row: dict[str, Any]) -> str | bytes:
    """The bytes of a picture, or its local path."""
    if row.get(FILE) is not None:
        return os.fsdecode(row[FILE])
    data: bytes | None = row.get("bytes")
    if data is not None or not row.get("path"):
        return data or b""  # an empty cell is reported as a picture that cannot be read
    return _fetched(row["path"])


def local_rows(paths: list[str], done: set[str]) -> list[dict[str, Any]]:
    """Rows of the local pictures that are left."""
    return [
        {"path": written(path), FILE: os.fsencode(path)}
        for path in paths
        if written(path) not in done
    ]


def run(
    inputs: list[str],
    out: str,
    *,
    bundle: str | None = None,
    head: str = "expression",
    crops: bool = False,
    min_face: int = 40,
    fresh: bool = False,
    retry: bool = False,
    workers: int = 0,
) -> Summary:
    """Analyse pictures on the cluster that ``RAY_ADDRESS`` names, or on this machine's cores.

    Args:
        inputs: files, folders and patterns that every node sees under the same path; addresses of
            folders or files in an object store (``s3://…``); or Parquet, local or not, with a
            column ``path``, ``bytes`` or both.
        out: folder or address for the Parquet parts.
        bundle: a bundle's name or folder, the same on every node.
        head: ``"expression"``, ``"votes"`` or ``"label"``.
        crops: take every picture as one crop.
        min_face: side in pixels of the smallest face to search for.
        fresh: replace what ``out`` holds; otherwise pictures that it holds are passed over.
        retry: but for those that could not be read.
        workers: actors, a core each; 0 for as many as the cluster has cores.

    Raises:
        ValueError: no picture, inputs of more than one kind, or ``out`` holds what another model
            or other options made.
    """
    import ray
    import ray.data

    begun = time.perf_counter()
    kind, found = _kind(inputs)
    made = Made.by(load(bundle, threads=1, head=head), crops=crops, min_face=min_face)
    old = parts(out)
    done = set() if fresh else held(out, old, made)
    if retry and not fresh:
        forget_errors(out, old)
        old = parts(out)
        done = held(out, old, made)
    if not ray.is_initialized():
        # a cluster of this machine alone ends processes that idle for a second, and each one that
        # then writes a part takes two seconds of a core to start
        os.environ.setdefault("RAY_idle_worker_killing_time_threshold_ms", "60000")
        ray.init(include_dashboard=False, log_to_driver=False, logging_level="WARNING")
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    actors = workers or cores
    pictures = _pictures(kind, found, done, actors)
    begin(out, old, made, fresh=fresh)
    # Ray's listing of addresses and tables asks for a whole core before any actor has work
    listed = isinstance(pictures, ray.data.dataset.MaterializedDataset)
    least = actors if listed else max(1, min(actors, cores - 1))
    pictures.map_batches(
        Analyst,
        batch_size=PER_ACTOR,
        batch_format="pyarrow",
        fn_constructor_args=(bundle,),
        fn_constructor_kwargs={"head": head, "crops": crops, "min_face": min_face},
        compute=ray.data.ActorPoolStrategy(
            min_size=least,
            max_size=actors,
            # a queue of blocks would tie them to an actor while another has none left
            max_tasks_in_flight_per_actor=2,
        ),
        num_cpus=_ACTOR if cores > 1 else 0,
    ).write_parquet(out, mode="append", ray_remote_args={"num_cpus": _BESIDE})
    result = count(out, [part for part in parts(out) if part not in set(old)])
    result.before, result.seconds = len(done), time.perf_counter() - begun
    return result


def _kind(inputs: list[str]) -> tuple[str, list[str]]:
    """What kind of inputs these are, ``"local"``, ``"remote"`` or ``"tables"``, and which."""
    tables = [i for i in inputs if i.rstrip("/").lower().endswith((".parquet", ".pq"))]
    remote = [i for i in inputs if "://" in i and i not in tables]
    local = [i for i in inputs if "://" not in i and i not in tables]
    if sum(map(bool, (tables, remote, local))) != 1:
        raise ValueError(
            "--engine ray: give local pictures, addresses or Parquet, one kind per run"
        )
    if local:
        return "local", find_pictures(local)
    return ("remote", remote) if remote else ("tables", tables)


def _pictures(kind: str, inputs: list[str], done: set[str], actors: int) -> ray.data.Dataset:
    """A data set with the columns that ``called`` and ``content`` take, without what is done."""
    import ray.data

    if kind == "local":
        items = local_rows(inputs, done)
        blocks = _blocks(len(items), actors)
        return ray.data.from_items(items, override_num_blocks=blocks)
    if kind == "remote":
        found = ray.data.read_binary_files(inputs, include_paths=True, num_cpus=_BESIDE)
    else:
        found = ray.data.read_parquet(inputs, num_cpus=_BESIDE)
    if not done:
        return found
    return found.filter(lambda row: called(row) not in done, num_cpus=_BESIDE)


def _blocks(pictures: int, actors: int) -> int:
    """Blocks, which become parts: several an actor, of 64 to 2,048 pictures."""
    size = min(max(pictures / (16 * actors), PER_ACTOR), 32 * PER_ACTOR)
    return max(1, math.ceil(pictures / size))


def _fetched(path: str) -> str | bytes:
    """A local path as it is; what an address of an object store holds."""
    if "://" not in path:
        return path
    from pyarrow.fs import FileSystem

    filesystem, place = FileSystem.from_uri(path)
    with filesystem.open_input_stream(place) as stream:
        data: bytes = stream.read()
    return data
