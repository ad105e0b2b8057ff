from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from tests.train.conftest import make_faces, tiny_recipe
from typer.testing import CliRunner

import mien
from mien.cli.export import soup as verb
from mien.measure.calibrate import sharpen
from mien.measure.predictions import Predictions
from mien.train import run, weights
from mien.train.fit import fit
from mien.train.ship import shipping
from mien.train.ship.graph import Graph
from mien.train.ship.shipping import soup
from mien.train.watch import Silent


@pytest.fixture
def pair(runs: Path) -> list[Path]:
    """Two runs that began with one run's weights and saw other draws."""
    folders = [runs / name for name in ("first", "second")]
    fit(tiny_recipe(epochs=1, name="start"), make_faces(64), runs / "start", watch=Silent())
    for seed, folder in enumerate(folders):
        recipe = tiny_recipe(
            epochs=1, name=folder.name, seed=seed, network__start=str(runs / "start")
        )
        fit(recipe, make_faces(64), folder, watch=Silent())
    return folders


def state(folder: Path) -> dict[str, torch.Tensor]:
    return weights.read(folder / weights.FILE).state


def test_the_mean_is_a_run_that_can_be_exported(pair: list[Path], runs: Path, tmp_path: Path):
    app = typer.Typer()
    app.command()(verb)
    asked = ["first", "second", "--weight", "3", "--weight", "1", "--out", "mean"]
    shown = CliRunner().invoke(app, asked, catch_exceptions=False).output
    assert "the mean of first, second" in shown
    one, two, mean = (state(folder) for folder in (*pair, runs / "mean"))
    for key, value in mean.items():
        if value.is_floating_point():
            assert torch.allclose(value, 0.75 * one[key] + 0.25 * two[key], atol=1e-6), key
    faces = make_faces(64)
    given = Graph([shipping.member(runs / "mean")]).eval()
    with torch.no_grad():
        label = given(torch.from_numpy(faces.images))[0].double().numpy()
    held = Predictions(faces.id, faces.emotion, label, split="held")
    made = shipping.ship(
        {runs / "mean": 1.0}, tmp_path / "b", name="b", flip=False, weights="float32",
        crops=faces.images[:16], calibrate=held,
    )  # fmt: skip
    told = made.card.calibration
    assert told["fitted_on"] == "held (64)"
    assert told["label_temperature"] != 1
    shipped = mien.load(made.path).classify(faces.images).label
    assert np.allclose(shipped, sharpen(label, told["label_temperature"]), atol=1e-4)
    member = json.loads((made.path / "card.json").read_text())["network"]["members"][0]
    assert member["mean_of"] == {"first": 0.75, "second": 0.25}
    (line,) = made.card.lineage
    begun = f"start (recipe {run.read_recipe(runs / 'start').digest} on data "
    assert line.startswith("mean (mean of first (recipe ")
    assert line.count(begun) == 2  # both trainings, and the one that both began from
    assert line.count("from random") == 2
    # The same command again is no harm; another mean does not take its place.
    soup({pair[0]: 3, pair[1]: 1}, runs / "mean")
    with pytest.raises(ValueError, match="holds another run"):
        soup({pair[0]: 1, pair[1]: 1}, runs / "mean")
    with pytest.raises(ValueError, match="holds another run"):
        soup({pair[0]: 1, pair[1]: 1}, pair[0])
    assert np.isfinite(one["label.weight"]).all()


def test_what_has_no_mean_says_why(pair: list[Path], runs: Path):
    with pytest.raises(ValueError, match="two or more"):
        soup({pair[0]: 1.0}, runs / "x")
    with pytest.raises(ValueError, match="above 0"):
        soup({pair[0]: 1.0, pair[1]: 0.0}, runs / "x")
    other = tiny_recipe(epochs=1, network__trunk_args={"channels": [8, 8, 16, 24]})
    fit(other, make_faces(64), runs / "other", watch=Silent())
    with pytest.raises(ValueError, match=r"network\.trunk_args differs"):
        soup({pair[0]: 1.0, runs / "other": 1.0}, runs / "x")
    fit(tiny_recipe(epochs=1), make_faces(70), runs / "more", watch=Silent())
    with pytest.raises(ValueError, match="other data"):
        soup({pair[0]: 1.0, runs / "more": 1.0}, runs / "x")
    grey = tiny_recipe(epochs=1, network__mean=(0.1, 0.1, 0.1))
    fit(grey, make_faces(64), runs / "grey", watch=Silent())
    after = tiny_recipe(epochs=1, network__start=str(runs / "grey"))  # whose mean goes with it
    fit(after, make_faces(64), runs / "after", watch=Silent())
    with pytest.raises(ValueError, match=r"network\.mean or network\.std differs"):
        soup({pair[0]: 1.0, runs / "after": 1.0}, runs / "x")
    (runs / "begun").mkdir()
    run.write_text(runs / "begun" / run.RECIPE, tiny_recipe().to_toml())
    with pytest.raises(FileNotFoundError, match="has not finished"):
        soup({pair[0]: 1.0, runs / "begun": 1.0}, runs / "x")
    assert not (runs / "x").exists()


def test_an_export_that_fails_leaves_the_bundle_that_was_there(
    pair: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    crops, target = make_faces(8).images, tmp_path / "models" / "mine"
    asked = {"name": "mine", "flip": False, "weights": "float32", "crops": crops}
    shipping.ship({pair[0]: 1.0}, target, **asked)
    before = {path.name: path.read_bytes() for path in target.iterdir()}

    def stopped(graph: Path) -> None:
        assert sorted(p.name for p in target.parent.iterdir()) == [".mine.part", "mine"]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shipping, "speed", stopped)
        shipping.ship({pair[1]: 1.0}, target, **asked)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    (target.parent / ".mine.part").mkdir()  # as a kill leaves it
    shipping.ship({pair[1]: 1.0}, target, **asked)
    assert (target / "model.onnx").read_bytes() != before["model.onnx"]
    assert [p.name for p in target.parent.iterdir()] == ["mine"]
