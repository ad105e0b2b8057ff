import shutil
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
from mien.measure import evaluate, small_faces
from mien.measure.calibrate import Calibration, Flattening, Scaling, gains, sharpen
from mien.measure.detail import copies, detail
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


def test_the_graph_flattens_scores_where_detail_lacks(tmp_path):
    first = load(make_bundle(tmp_path / "first"))
    rng = np.random.default_rng(1)
    drawn = [Flattening((0.9, 1.4, 0.2, 0.5), tuple(rng.normal(size=n))) for n in (7, 10)]
    calibration = replace(VOTERS, label_detail=drawn[0], ballot_detail=drawn[1])
    made = recalibrate(first, calibration, tmp_path / "second", name="second")
    for _, faces in [(48, FACES), *copies(FACES), (48, np.zeros_like(FACES))]:
        before = mien.load(first.path).classify(faces)
        after = mien.load(made.path).classify(faces)
        label, ballot = calibration.apply(
            before.label.astype(np.float64), before.ballot.astype(np.float64), detail(faces)
        )
        assert after.label == pytest.approx(label, abs=1e-5)
        assert after.ballot == pytest.approx(ballot, abs=1e-5)
    assert made.card.calibration["detail"]["label"] == drawn[0].to_dict()
    again = recalibrate(load(made.path), calibration, tmp_path / "third", name="third")
    assert len(mien.load(again.path).classify(FACES)) == 9
    assert mien.load(made.path).embed(FACES) == pytest.approx(mien.load(first.path).embed(FACES))


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
    assert "Equivalent annotators" in said
    assert "80 pictures; some 500" in said
    crops = dataset.load(data).of("valid").images
    before, after = (
        mien.load(tmp_path / name).classify(crops).ballot.mean(axis=0) for name in ("tiny", "mine")
    )
    asked = np.array([0.2, 0, 0, 0.8, 0, 0, 0, 0, 0, 0])
    assert np.abs(after - asked).sum() < np.abs(before - asked).sum() / 2
    assert load(tmp_path / "mine").card.calibration["fitted_on"] == "pictures (80)"


def test_a_plain_folder_with_votes_under_other_names(data, tmp_path):
    """Folders of emotions without a split, and votes.csv as a form exports it."""
    plain = tmp_path / "plain"
    for kind in ("happy", "sad"):
        shutil.copytree(data / "valid" / kind, plain / kind)
    names = sorted(str(path.relative_to(plain)) for path in plain.rglob("*.png"))
    rows = [f"{name},2,8,1" for name in names]
    (plain / "votes.csv").write_text("\n".join(["image,Neutral,Sad,confused", *rows]))
    folder = make_bundle(tmp_path / "tiny")
    said = invoke(folder, plain, "--out", tmp_path / "mine", "--draws", 20).output
    assert "Equivalent annotators" in said
    assert load(tmp_path / "mine").card.calibration["fitted_on"] == "pictures (80)"
    assert dataset.load(plain).votes[0].tolist() == [2, 0, 0, 8, 0, 0, 0, 0, 0, 0]


def test_without_a_gain_nothing_is_written_unless_forced(data, tmp_path, monkeypatch):
    """A model whose table shows the same likelihood before and after stays as it is."""
    (data / "votes.csv").unlink()

    real = evaluate.calibration

    def level(table, *, draws):
        found = real(table, draws=draws)
        found["label"]["after"]["nll"] = found["label"]["before"]["nll"]
        return found

    monkeypatch.setattr(evaluate, "calibration", level)
    monkeypatch.setattr(small_faces, "better", lambda found: False)
    folder = make_bundle(tmp_path / "tiny")
    given = (folder, data, "--out", tmp_path / "mine", "--draws", 20)
    result = invoke(*given)
    assert result.exit_code == 0
    assert "no gain, nothing written" in result.output
    assert not (tmp_path / "mine").exists()
    result = invoke(*given, "--force")
    assert "no gain for the label scores: written all the same" in result.output
    assert (tmp_path / "mine" / "model.onnx").exists()


@pytest.mark.parametrize(("label", "votes"), [(0.1, -0.1), (-0.1, 0.1), (0.00001, 0.0)])
def test_a_gain_is_a_lower_loss_by_what_the_table_shows(label, votes):
    found = {
        "label": {"before": {"nll": 1 + label}, "after": {"nll": 1.0}},
        "votes": {
            when: {"all": {"cross_entropy": {"value": value}}}
            for when, value in (("before", 2 + votes), ("after", 2.0))
        },
    }
    assert gains(found) == {"label": label > 0.001, "votes": votes > 0.001}


def test_what_cannot_be_fitted_to_is_refused(data, tmp_path):
    folder = make_bundle(tmp_path / "tiny")
    part = dataset.load(data).of("valid")
    with pytest.raises(ValueError, match="there are: valid"):
        invoke(folder, data, "--split", "test", "--out", tmp_path / "mine")
    card = load(folder).card
    replace(card, data={"fingerprint": [part.fingerprint()]}).write(folder / CARD)
    with pytest.raises(ValueError, match="was trained on its split 'valid'"):
        invoke(folder, data, "--split", "valid", "--out", tmp_path / "mine")
    for path in sorted((data / "valid" / "sad").iterdir())[:35]:
        path.unlink()
    with pytest.raises(ValueError, match="45 pictures are too few"):
        invoke(folder, data, "--out", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
