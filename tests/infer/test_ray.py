"""Ray on this machine, on loopback: slow, since Ray takes seconds to start its processes."""

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import mien
from mien.infer.many import analyze_many
from mien.infer.parquet import ParquetOutput
from mien.infer.ray_engine import run
from mien.infer.record import Made
from tests.tiny import make_bundle

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(3)
    for i in range(600):
        Image.fromarray(rng.integers(0, 256, (48, 48), dtype=np.uint8)).save(folder / f"{i:03}.png")
    (folder / "013.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def cluster():
    import ray

    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1",
        object_store_memory=100_000_000,
    )  # fmt: skip
    yield ray
    ray.shutdown()


def local_rows(bundle, folder, place, *, crops):
    """Rows of the single machine."""
    model = mien.load(bundle)
    out = ParquetOutput(place, Made("tiny"))
    out.open()
    for picture in analyze_many(model, sorted(map(str, folder.glob("*.png"))), crops=crops):
        out.write(picture)
    out.close()
    return sorted_rows(place)


@pytest.fixture(scope="module")
def expected(bundle, folder, tmp_path_factory):
    return local_rows(bundle, folder, tmp_path_factory.mktemp("local") / "out", crops=True)


def sorted_rows(path):
    return sorted(map(repr, pq.read_table(path).to_pylist()))


def test_rows_are_those_of_one_machine_and_a_second_run_adds_nothing(
    cluster, bundle, folder, expected, tmp_path
):
    out = tmp_path / "out"
    result = run([str(folder)], str(out), bundle=str(bundle), crops=True, workers=2)
    assert sorted_rows(out) == expected
    assert (result.pictures, result.errors) == (600, 1)
    again = run([str(folder)], str(out), bundle=str(bundle), crops=True, workers=2)
    assert (again.pictures, again.before) == (0, 600)
    assert sorted_rows(out) == expected


def test_parquet_of_bytes_or_paths_and_addresses_give_the_same(
    cluster, bundle, folder, expected, tmp_path
):
    paths = sorted(map(str, folder.glob("*.png")))
    held = [open(path, "rb").read() for path in paths]  # noqa: PTH123, SIM115
    pq.write_table(pa.table({"path": paths, "bytes": held}), tmp_path / "bytes.parquet")
    pq.write_table(pa.table({"path": paths}), tmp_path / "paths.parquet")
    for given in (tmp_path / "bytes.parquet", tmp_path / "paths.parquet", f"file://{folder}"):
        out = tmp_path / "out"
        run([str(given)], str(out), bundle=str(bundle), crops=True, workers=2, fresh=True)
        assert sorted_rows(out) == expected, given


def test_bytes_without_paths_go_on_by_their_sha256(cluster, bundle, folder, tmp_path):
    held = [path.read_bytes() for path in sorted(folder.glob("*.png"))]
    out, table = tmp_path / "out", tmp_path / "bytes.parquet"
    pq.write_table(pa.table({"bytes": held[:100]}), table)
    run([str(table)], str(out), bundle=str(bundle), crops=True, workers=2)
    pq.write_table(pa.table({"bytes": held}), table)
    again = run([str(table)], str(out), bundle=str(bundle), crops=True, workers=2)
    assert (again.pictures, again.before) == (500, 100)
    assert len(set(pq.read_table(out, columns=["source"])["source"].to_pylist())) == 600


def test_parts_of_another_run_are_not_mixed(cluster, bundle, folder, tmp_path):
    few, out = str(folder / "00*.png"), str(tmp_path / "out")
    run([few], out, bundle=str(bundle), crops=True, workers=2)
    before = sorted_rows(out)
    for changed in ({}, {"crops": True, "head": "label"}):
        with pytest.raises(ValueError, match="--overwrite"):
            run([few], out, bundle=str(bundle), workers=2, **changed)
    assert sorted_rows(out) == before
    run([few], out, bundle=str(bundle), crops=True, head="label", workers=2, fresh=True)
    assert {row["head"] for row in pq.read_table(out).to_pylist()} == {"label"}


def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_doubled(
    cluster, bundle, folder, tmp_path
):
    """With a search for faces, so that the job lasts long enough to be killed in its middle."""
    expected = local_rows(bundle, folder, tmp_path / "local", crops=False)
    out, killed = tmp_path / "out", []

    def kill():
        deadline = time.monotonic() + 120
        while not killed and time.monotonic() < deadline:
            if (rows := rows_in(out)) and (pids := workers_of(os.getpid())):
                os.kill(pids[0], signal.SIGKILL)
                killed.append(rows)
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    run([str(folder)], str(out), bundle=str(bundle), workers=2)
    killer.join()
    assert 0 < killed[0] < 600  # in the middle
    assert sorted_rows(out) == expected


def rows_in(out):
    """Rows of the parts that are whole; Ray may be writing another."""
    total = 0
    for path in out.glob("*.parquet"):
        with suppress(pa.ArrowInvalid, OSError):
            total += pq.read_metadata(path).num_rows
    return total


def workers_of(ancestor):
    """Ray's actor processes below a process."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::MapWorker" not in (place / "cmdline").read_bytes():
                continue
            pid = int(place.name)
            while pid > 1 and pid != ancestor:
                stat = Path("/proc", str(pid), "stat").read_text()
                pid = int(stat.rpartition(")")[2].split()[1])
        except OSError:  # gone meanwhile
            continue
        if pid == ancestor:
            found.append(int(place.name))
    return found


def test_mixed_inputs_are_refused(cluster, folder, tmp_path):
    with pytest.raises(ValueError, match="one kind per run"):
        run([str(folder), "s3://bucket/folder"], str(tmp_path / "out"))
