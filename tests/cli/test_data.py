import re

import numpy as np
import pytest
from typer.testing import CliRunner

from mien.cli.data import app
from mien.data import download
from mien.data.dataset import load
from mien.workflows.judging import face_scores, label_scores, not_trained_on
from tests.data.drawn import face, write_folder

run = CliRunner()


def text(result):
    return re.sub(r"\s+", " ", result.output)


def test_prepare_and_report(tmp_path):
    write_folder(tmp_path / "set", {"happy": 12, "sad": 12})
    (tmp_path / "set" / "train" / "bored").mkdir()
    (tmp_path / "set" / "train" / "happy" / "face_0000.png").rename(
        tmp_path / "set" / "train" / "bored" / "face.png"
    )
    out = tmp_path / "out"
    args = ["prepare", str(tmp_path / "set"), str(out), "--bundle", "none", "--no-detector"]
    with pytest.raises(ValueError, match="bored=drop"):
        run.invoke(app, args, catch_exceptions=False)
    result = run.invoke(app, [*args, "--map", "bored=drop"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "1 mapped-out" in text(result)
    assert "23 of 24 pictures" in text(result)
    (out / "report.html").unlink()
    assert run.invoke(app, ["report", str(out)]).exit_code == 0
    assert (out / "report.html").exists()
    with pytest.raises(ValueError, match="write CLASS=EMOTION"):
        run.invoke(app, [*args, "--map", "bored"], catch_exceptions=False)


def test_decisions_that_are_named_must_be_there_and_others_are_not_lost(tmp_path):
    """A slip in the name once meant "no decisions", and undid those of OUT/decisions.csv."""
    write_folder(tmp_path / "set", {"happy": 8, "sad": 8})
    out, other = tmp_path / "out", tmp_path / "other.csv"
    args = ["prepare", str(tmp_path / "set"), str(out), "--bundle", "none", "--no-detector"]
    assert run.invoke(app, args, catch_exceptions=False).exit_code == 0
    mine = "id,action,emotion\ntrain/sad/face_0001.png,drop,\n"
    (out / "decisions.csv").write_text(mine)
    with pytest.raises(FileNotFoundError, match=r"typo\.csv.*--decisions"):
        run.invoke(app, [*args, "--decisions", str(tmp_path / "typo.csv")], catch_exceptions=False)
    other.write_text("id,action,emotion\ntrain/happy/face_0001.png,drop,\n")
    result = run.invoke(app, [*args, "--decisions", str(other)], catch_exceptions=False)
    assert "1 of its decisions were not applied" in text(result)
    assert (out / "decisions.csv").read_text() == mine
    other.write_text(mine)
    result = run.invoke(app, [*args, "--decisions", str(other)], catch_exceptions=False)
    assert "were not applied" not in text(result)


@pytest.mark.parametrize("verb", ["prepare", "report", "review", "download"])
def test_every_help_ends_with_an_example(verb):
    result = run.invoke(app, [verb, "--help"])
    assert result.exit_code == 0
    assert f"Example: mien data {verb}" in text(result)


def test_download_without_a_way_explains_the_manual_one(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "kagglehub", None)
    with pytest.raises(ValueError, match=r"pip install kagglehub.*press Download"):
        download.fetch()

    class Failing:
        @staticmethod
        def dataset_download(handle):
            raise ConnectionError("no network")

    monkeypatch.setitem(__import__("sys").modules, "kagglehub", Failing)
    with pytest.raises(ValueError, match=r"no network.*kaggle\.json.*press Download"):
        download.fetch()

    class Working:
        @staticmethod
        def dataset_download(handle):
            (tmp_path / "kaggle").mkdir()
            (tmp_path / "kaggle" / "a.txt").write_text(handle)
            return str(tmp_path / "kaggle")

    monkeypatch.setitem(__import__("sys").modules, "kagglehub", Working)
    assert (download.fetch(tmp_path / "copy") / "a.txt").read_text() == download.HANDLE


def test_the_detector_gives_its_best_score():
    class Two:
        def detect(self, image, *, min_face):
            assert image.shape == (192, 192, 3)
            scores = [0.9, 0.4] if image[96, 96, 0] > 100 else []
            return [type("D", (), {"score": s})() for s in scores]

    crops = np.stack([np.full((48, 48), 200, np.uint8), np.zeros((48, 48), np.uint8)])
    assert face_scores(Two(), crops).tolist() == [0.9, 0.0]


def test_a_model_does_not_judge_labels_it_was_trained_on(tmp_path):
    write_folder(tmp_path, {"happy": 3})
    write_folder(tmp_path, {"sad": 2}, seed=4, part="test")
    data = load(tmp_path)

    def card(*prints):
        return type("Card", (), {"data": {"fingerprint": list(prints)}})()

    assert len(not_trained_on(card(), data)) == 5
    assert len(not_trained_on(card(data.fingerprint()), data)) == 0
    left = not_trained_on(card(data.of("train").fingerprint()), data)
    assert set(left.split.tolist()) == {"test"}
    with pytest.raises(ValueError, match="not both"):
        label_scores(tmp_path / "x.npz", "default", tmp_path, {})


def test_drawn_faces_differ():
    rng = np.random.default_rng(0)
    assert (face(rng, "happy") != face(rng, "happy")).any()
