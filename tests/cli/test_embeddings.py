"""``mien predict --embeddings`` writes the pooled features of every face."""

import csv

import numpy as np
import pyarrow.parquet
import pytest

import mien
from mien.images import read
from tests.cli.test_predict import PORTRAIT


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_embeddings_are_rows_of_faces_in_order(run, bundle, folder, tmp_path, ending):
    table, file = tmp_path / "faces.csv", tmp_path / "new" / f"faces.{ending}"
    assert run(folder, PORTRAIT, "--csv", table).exit_code == 0
    # the table holds all pictures already; the features still take them
    assert run(folder, PORTRAIT, "--csv", table, "--crops", "--embeddings", file).exit_code == 1
    assert not file.exists()
    result = run(folder, PORTRAIT, "--csv", table, "--embeddings", file, "--json")
    assert result.exit_code == 0, result.output
    wanted = [row["source"] for row in csv.DictReader(table.open()) if row["face"]]
    if ending == "npz":
        held = np.load(file)
        rows, model = held["embedding"], str(held["model"])
    else:
        held = pyarrow.parquet.read_table(file).to_pydict()
        rows, model = np.array(held["embedding"], np.float32), held["model"][0]
    assert list(held["source"]) == wanted and list(held["face"]) == [0] * len(wanted) == [0]
    loaded = mien.load(bundle)
    _, crops = loaded.find(read(PORTRAIT))
    assert np.array_equal(rows, loaded.embed(crops)) and model == "tiny"
    assert "not resumed" in str(run(PORTRAIT, "--embeddings", file).exception)
    assert run(PORTRAIT, "--embeddings", file, "--overwrite").exit_code == 0
    assert "ends in .npz or .parquet" in str(run(PORTRAIT, "--embeddings", "x.npy").exception)


def test_embeddings_of_crops_without_a_table(run, bundle, folder, tmp_path):
    file = tmp_path / "faces.npz"
    assert run(folder, "--crops", "--embeddings", file).exit_code == 0
    held, loaded = np.load(file), mien.load(bundle)
    assert len(held["source"]) == 6
    for source, row in zip(held["source"], held["embedding"], strict=True):
        assert np.allclose(row, loaded.embed(read(source)[None])[0], atol=1e-4)
    empty = tmp_path / "none.npz"
    assert run(folder, "--embeddings", empty).exit_code == 0
    assert len(np.load(empty)["embedding"]) == 0
