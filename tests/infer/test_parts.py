"""Parts of Parquet and the rows that Ray's workers take, without Ray itself."""

import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mien.infer import ray_engine
from mien.infer.parquet import ParquetOutput, begin, held, parts, table
from mien.infer.ray_engine import Analyst, called, content, local_rows
from mien.infer.record import Made
from mien.infer.results import Picture
from tests.tiny import make_bundle

MADE = Made("tiny", sha256="a" * 64)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def crop(tmp_path):
    pixels = np.random.default_rng(5).integers(0, 256, (48, 48), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "crop.png")
    return tmp_path / "crop.png"


def write_part(out, names, made, number=0):
    """A part as Ray writes it: under a name of its own, without a record."""
    pictures = [Picture(name, 48, 48) for name in names]
    out.mkdir(exist_ok=True)
    rows = table(pictures, made)
    pq.write_table(rows, out / f"ray-{number}.parquet")


def test_parts_go_on_only_with_their_model_head_and_options(tmp_path):
    out = tmp_path / "out"
    begin(str(out), [], MADE, fresh=False)
    write_part(out, ["a", "b"], MADE)
    found = parts(str(out))
    assert held(str(out), found, MADE) == {"a", "b"}
    others = [
        Made("tiny", sha256="b" * 64), Made("tiny", sha256="a" * 64, crops=True),
        Made("tiny", sha256="a" * 64, min_face=80), Made("other"), Made("tiny", "label"),
    ]  # fmt: skip
    for other in others:
        with pytest.raises(ValueError, match="--overwrite") as error:
            held(str(out), found, other)
        assert str(out) in str(error.value)
    (out / "_mien.json").unlink()
    for other in others[3:]:  # without a record the rows still tell
        with pytest.raises(ValueError, match="--overwrite"):
            held(str(out), found, other)
    write_part(out, ["c"], others[3], 1)
    with pytest.raises(ValueError, match="'other'"):
        held(str(out), parts(str(out)), MADE)


def test_beginning_anew_takes_the_parts_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    write_part(out, ["a"], MADE)
    write_part(out / "nested", ["b"], MADE)
    (out / "notes.txt").write_text("mine")
    begin(str(out), parts(str(out)), MADE, fresh=False)
    assert not (out / "_mien.json").exists()  # nobody knows how the part was made
    begin(str(out), parts(str(out)), MADE, fresh=True)
    assert parts(str(out)) == []
    assert sorted(p.name for p in out.iterdir()) == ["_mien.json", "nested", "notes.txt"]
    assert (out / "nested" / "ray-0.parquet").exists()


def test_addresses_of_a_folder_are_the_folder(tmp_path):
    out = tmp_path / "out"
    begin(f"file://{out}", [], MADE, fresh=False)
    output = ParquetOutput(out, MADE)
    assert output.open() == set()
    output.write(Picture("a", 48, 48))
    output.close()
    assert held(f"file://{out}", parts(f"file://{out}"), MADE) == {"a"}
    assert pq.read_table(out).num_rows == 1  # the record is no part


def test_bytes_without_a_path_are_left_by_their_sha256(bundle, crop):
    analyst = Analyst(str(bundle), head="votes", crops=True, min_face=40)
    data = crop.read_bytes()
    rows = analyst(pa.table({"bytes": [data, b"", None]})).to_pylist()
    done = {row["source"] for row in rows}
    assert called({"bytes": data}) in done
    assert [row["error"] is None for row in rows] == [True, False, False]
    assert called({"bytes": b"another"}) not in done
    assert called({"path": None, "bytes": data}) in done
    assert called({"path": "x.png", "bytes": data}) == "x.png"
    assert content({"path": "x.png", "bytes": data}) == data
    assert content({"path": "x.png", "bytes": None}) == content({"path": "x.png"}) == "x.png"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_workers_read_names_that_are_not_utf8(bundle, crop):
    odd = os.fsdecode(os.fsencode(crop.parent) + b"/\xff.png")
    Path(odd).write_bytes(crop.read_bytes())
    rows = local_rows([str(crop), odd], {str(crop)})
    analyst = Analyst(str(bundle), head="votes", crops=True, min_face=40)
    (row,) = analyst(pa.Table.from_pylist(rows)).to_pylist()
    assert row["error"] is None
    assert row["source"].endswith("\\udcff.png")
    assert local_rows([str(crop), odd], {str(crop), row["source"]}) == []


def test_kinds_of_inputs(crop):
    assert ray_engine._kind([str(crop)]) == ("local", [str(crop)])
    assert ray_engine._kind(["s3://bucket/a"]) == ("remote", ["s3://bucket/a"])
    assert ray_engine._kind(["s3://bucket/a.parquet"]) == ("tables", ["s3://bucket/a.parquet"])
    with pytest.raises(ValueError, match="one kind per run"):
        ray_engine._kind([str(crop), "s3://bucket/a"])


@pytest.mark.parametrize("fresh", [False, True])
def test_other_peoples_parquet_is_neither_mixed_nor_removed(tmp_path, fresh):
    write_part(tmp_path, ["a"], MADE)
    pq.write_table(pa.table({"name": ["x"], "age": [3]}), tmp_path / "people.parquet")
    with pytest.raises(ValueError, match=r"people.parquet: not written by `mien predict`"):
        ParquetOutput(tmp_path, MADE).open(fresh=fresh)
    assert {path.name for path in tmp_path.iterdir()} >= {"people.parquet", "ray-0.parquet"}
