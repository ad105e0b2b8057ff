from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from mien.bundle import load
from mien.cli.export import export, weights_of
from mien.cli.measure import evaluate
from mien.data import dataset
from mien.train import run, weights
from mien.train.fit import fit
from mien.train.starts import begin
from mien.train.watch import Silent
from mien.workflows.evaluation import bundle_of
from mien.workflows.judging import not_trained_on
from tests.data.drawn import write_folder
from tests.train import conftest
from tests.train.conftest import tiny_recipe

runs, few_threads = conftest.runs, conftest._few_threads


@pytest.fixture
def finished(runs: Path) -> list[Path]:
    """Two runs that have ended, of networks that were never trained."""
    folders = [runs / "one", runs / "two"]
    for seed, folder in enumerate(folders):
        recipe = tiny_recipe(name=folder.name, seed=seed)
        run.claim(folder, recipe, {"data": "x", "start": "random"})
        torch.manual_seed(seed)
        network, _ = begin(recipe.network, torch.zeros(4, 48, 48, dtype=torch.uint8))
        weights.write(network, folder / weights.FILE, facts={})
    return folders


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_folder(tmp_path / "data", {"happy": 6, "sad": 6})
    write_folder(tmp_path / "data", {"happy": 4, "sad": 4}, seed=1, part="test")
    return tmp_path / "data"


def invoke(verb, *args: object) -> str:
    app = typer.Typer()
    app.command()(verb)
    return CliRunner().invoke(app, [str(a) for a in args], catch_exceptions=False).output


def test_a_finished_run_is_evaluated_by_name(finished, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "exporting" in invoke(evaluate, "one", data, "--draws", 20)
    assert json.loads((finished[0] / "metrics.json").read_text())["pictures"]["n"] == 8
    assert "exporting" not in invoke(evaluate, "one", data, "--draws", 20)
    graph = finished[0] / "bundle" / "model.onnx"
    later = graph.stat().st_mtime + 1
    os.utime(finished[0] / weights.FILE, (later, later))
    assert "exporting" in invoke(evaluate, finished[0], data, "--draws", 20)
    given = str(finished[0] / "bundle")
    assert bundle_of(given, data) == given  # named outright, it is no run
    with pytest.raises(ValueError, match="no model 'three'"):
        bundle_of("three", data)


@pytest.mark.slow
def test_what_ensemble_wrote_becomes_one_graph(finished, data, tmp_path):
    chosen = tmp_path / "ensemble.json"
    chosen.write_text(json.dumps({"members": {"one": 0.75, str(finished[1]): 0.25}}))
    invoke(export, chosen, "--out", tmp_path / "joined", "--data", data)
    members = load(tmp_path / "joined").card.network["members"]
    assert [(m["run"], m["weight"]) for m in members] == [("one", 0.75), ("two", 0.25)]


def test_weights_that_fit_no_runs_are_refused(finished, tmp_path):
    chosen = tmp_path / "ensemble.json"
    chosen.write_text("[]")
    for names, given, message in (
        ([str(chosen)], None, "not what `mien ensemble` writes"),
        ([str(chosen)], [1.0], "leave --weight out"),
        (["one", "two"], [1.0], "one --weight per run"),
    ):
        with pytest.raises(ValueError, match=message):
            weights_of(names, given)
    with pytest.raises(FileNotFoundError, match=r"runs in .*: one, two"):
        weights_of(["three"], None)


def test_a_bundle_can_carry_its_weights_for_the_next_training(finished, data, tmp_path):
    out = tmp_path / "models" / "one"
    invoke(export, "one", "--out", out, "--data", data, "--carry")
    recipe = tiny_recipe(network__start=str(out))
    network, _ = begin(recipe.network, torch.zeros(4, 48, 48, dtype=torch.uint8))
    trained = weights.read(finished[0] / weights.FILE).state["label.weight"]
    assert torch.allclose(network.label.weight, trained, atol=1e-3)
    with pytest.raises(ValueError, match="--carry"):
        invoke(export, "one", "two", "--out", out, "--data", data, "--carry")


@pytest.mark.slow
def test_the_card_says_what_was_trained_on(runs: Path, data: Path, tmp_path: Path):
    """And a model does not judge the labels that it learnt, whatever they are called."""
    recipe = tiny_recipe(name="taught", batch_size=4, epochs=1, data__path=str(data))
    learnt = dataset.load(data).of("train")
    votes = np.where(np.arange(len(learnt))[:, None] == 0, -1, np.arange(10) * 0 + 1)
    fit(recipe, replace(learnt, votes=votes), runs / "taught", watch=Silent())
    invoke(export, "taught", "--out", tmp_path / "taught", "--data", data)
    card = load(tmp_path / "taught").card
    assert card.data["trained_on"] == "data (11 pictures, 11 with votes)"
    assert set(not_trained_on(card, dataset.load(data)).split.tolist()) == {"test"}


@pytest.mark.slow
def test_a_bundle_never_keeps_the_weights_of_an_earlier_export(finished, data, tmp_path):
    out = tmp_path / "bundle"
    invoke(export, "one", "--out", out, "--data", data, "--carry")
    invoke(export, "two", "--out", out, "--data", data)
    assert not (out / "weights.safetensors").exists()


@pytest.mark.parametrize("weights", [("1", "-0.9"), ("0", "0"), ("1", "nan"), ("inf", "1")])
def test_weights_that_make_no_mean_are_refused(finished, data, tmp_path, weights):
    asked = [part for weight in weights for part in ("--weight", weight)]
    with pytest.raises(ValueError, match="none may be below 0"):
        invoke(export, "one", "two", *asked, "--out", tmp_path / "b", "--data", data)
