from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from tests.data.drawn import write_folder, write_votes
from tests.tiny import make_bundle
from typer.testing import CliRunner

import mien
from mien.bundle import CARD, load
from mien.cli.calibrate import calibrate
from mien.data import dataset
from mien.measure.calibrate import Calibration, Scaling, sharpen
from mien.train.ship.recalibrate import recalibrate

FACES = np.random.default_rng(0).integers(0, 255, (9, 48, 48), dtype=np.uint8)
VOTERS = Calibration(1.7, Scaling(tuple(np.linspace(0.6, 1.5, 10)), tuple(range(10))), "valid (9)")


def scores(bundle):
    found = mien.load(bundle.path).classify(FACES)
    return found.label.astype(np.float64), found.ballot.astype(np.float64)


def test_the_graph_does_what_the_calibration_says_twice_over(tmp_path):
    first = load(make_bundle(tmp_path / "first"))
    label, ballot = scores(first)
    second = recalibrate(first, VOTERS, tmp_path / "second", name="second")
    found = scores(second)
    assert found[0] == pytest.approx(sharpen(label, 1.7), abs=1e-5)
    assert found[1] == pytest.approx(VOTERS.ballot_scaling.apply(ballot), abs=1e-5)
    third = recalibrate(load(second.path), VOTERS, tmp_path / "third", name="third")
    assert scores(third)[0] == pytest.approx(sharpen(found[0], 1.7), abs=1e-5)
    assert scores(third)[1] == pytest.approx(VOTERS.ballot_scaling.apply(found[1]), abs=1e-5)
    assert third.card.calibration == VOTERS.to_dict() | {"after": VOTERS.to_dict()}
    assert scores(load(first.path))[0] == pytest.approx(label)  # as it was


def test_figures_of_other_scores_are_left_out_and_the_rest_is_kept(tmp_path):
    folder = make_bundle(tmp_path / "first")
    card = replace(load(folder).card, metrics={"label": {"n": 1}}, start="made", views=2)
    card.write(folder / CARD)
    alone = Calibration(2.0, fitted_on="valid (9)")
    made = load(recalibrate(load(folder), alone, tmp_path / "second", name="mine").path)
    assert (made.card.name, made.card.metrics, made.card.start) == ("mine", {}, "made")
    assert made.card.cost["bytes"] == made.graph.stat().st_size
    assert scores(made)[1] == pytest.approx(scores(load(folder))[1])  # nobody voted
    with pytest.raises(ValueError, match="the model itself"):
        recalibrate(load(folder), alone, folder, name="first")


def invoke(*args: object):
    app = typer.Typer()
    app.command()(calibrate)
    return CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Faces whose voters say sadness of everything."""
    root = tmp_path / "data"
    write_folder(root, {"happy": 40, "sad": 40}, part="valid")
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*.png"))
    write_votes(root, {name: {"sad": 8, "neutral": 2} for name in names})
    return root


def test_the_command_fits_a_model_to_other_voters(data, tmp_path):
    folder = make_bundle(tmp_path / "tiny")
    said = invoke(folder, data, "--out", tmp_path / "mine", "--draws", 20).output
    assert "Worth k annotators" in said
    assert "80 pictures; some 500" in said
    crops = dataset.load(data).of("valid").images
    before, after = (
        mien.load(tmp_path / name).classify(crops).ballot.mean(axis=0) for name in ("tiny", "mine")
    )
    asked = np.array([0.2, 0, 0, 0.8, 0, 0, 0, 0, 0, 0])
    assert np.abs(after - asked).sum() < np.abs(before - asked).sum() / 2
    assert load(tmp_path / "mine").card.calibration["fitted_on"] == "valid (80)"


def test_what_cannot_be_fitted_to_is_refused(data, tmp_path):
    folder = make_bundle(tmp_path / "tiny")
    part = dataset.load(data).of("valid")
    with pytest.raises(ValueError, match="there are: valid"):
        invoke(folder, data, "--split", "test", "--out", tmp_path / "mine")
    card = load(folder).card
    replace(card, data={"fingerprint": [part.fingerprint()]}).write(folder / CARD)
    with pytest.raises(ValueError, match="was trained on its split 'valid'"):
        invoke(folder, data, "--out", tmp_path / "mine")
    for path in sorted((data / "valid" / "sad").iterdir())[:35]:
        path.unlink()
    with pytest.raises(ValueError, match="45 pictures in split 'valid' are too few"):
        invoke(folder, data, "--out", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
