"""The commands from end to end, on made faces and a made bundle."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.emotions import EMOTIONS, VOTE_COLUMNS
from mien.measure.predictions import Predictions
from tests.cli.measured import run, write_csv
from tests.measure.made import make_table


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Fifty made crops; three of the test split are copies of training pictures."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    rows = []
    for split, n in (("train", 8), ("test", 42)):
        for i in range(n):
            emotion = EMOTIONS[i % 7]
            pixels = rng.integers(0, 255, (48, 48), dtype=np.uint8)
            if split == "test" and i < 3:
                pixels = np.asarray(Image.open(root / f"train/{emotion}/{i:03d}.png"))
            file = root / split / emotion / f"{i:03d}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
            rows.append([file.relative_to(root).as_posix(), *rng.multinomial(10, np.ones(10) / 10)])
    with (root / "votes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", *VOTE_COLUMNS], *rows])
    return root


def test_a_bundle_is_evaluated_and_reported(tmp_path, data, monkeypatch):
    pytest.importorskip("onnx")
    from tests.tiny import make_bundle

    monkeypatch.chdir(tmp_path)
    make_bundle(tmp_path / "run" / "bundle")
    shown = run("evaluate", "run", data, "--draws", 20)
    assert "Accuracy" in shown and "Equivalent annotators" in shown
    table = Predictions.load(tmp_path / "run" / "predictions.npz")
    assert len(table) == 42 and table.ballot.shape == (42, 10)
    assert table.leaked.sum() == 3
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["pictures"]["leaked"] == 3
    assert metrics["heads"]["label"]["without_leaked"]["n"] == 39
    assert metrics["card"]["name"]
    run("report", "run", "--data", data)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "data:image/png" in page
    run("report", "run", "--data", data, "--no-faces", "--out", tmp_path / "docs" / "r.html")
    assert "data:image/png" not in (tmp_path / "docs" / "r.html").read_text()
    assert (tmp_path / "docs" / "r.md").exists()


def test_anyones_csv_is_evaluated_against_a_folder(tmp_path, data):
    names = [f"{i:03d}.jpg" for i in range(40)]
    scores = np.random.default_rng(0).dirichlet(np.ones(7), 40)
    other = write_csv(tmp_path / "other.csv", names, scores)
    shown = run("evaluate", "--predictions", other, data, "--draws", 20, "--out", tmp_path / "o")
    assert "scores 40 of 42 pictures" in shown
    table = Predictions.load(tmp_path / "o" / "predictions.npz")
    assert table.system == "other" and table.split == "test"
    np.testing.assert_allclose(table.label[table.id == "test/angry/000.png"][0], scores[0])


def test_anyones_csv_is_compared_in_one_command(tmp_path):
    ours = make_table(120)
    ours.save(tmp_path / "predictions.npz")
    other = write_csv(tmp_path / "other.csv", ours.id, make_table(120, skill=0.3).label)
    shown = run("compare", other, tmp_path, "--draws", 20, "--out", tmp_path / "c.json")
    assert "McNemar" in shown and "other against made-0" in shown
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["n"] == 120 and 0 <= found["mcnemar"]["p_exact"] <= 1


def test_systems_of_one_name_are_told_apart(tmp_path):
    """Two folders named default were both "default" in the table."""
    before, after = tmp_path / "before.npz", tmp_path / "after.npz"
    make_table(60).save(before)
    make_table(60, skill=0.3).save(after)
    out = tmp_path / "c.json"
    run("compare", before, after, "--draws", 20, "--out", out)
    assert json.loads(out.read_text())["systems"] == [f"made-0 ({before})", f"made-0 ({after})"]
    run("report", before, after, "--draws", 10, "--out", tmp_path / "r.html")
    assert str(after) in (tmp_path / "r.md").read_text()


def test_an_ensemble_is_chosen(tmp_path):
    base = make_table(150)
    rng = np.random.default_rng(3)
    for i in range(3):
        label = base.label * np.exp(rng.normal(size=base.label.shape) * 0.6)
        label /= label.sum(axis=1, keepdims=True)
        replace(base, label=label).save(tmp_path / f"m{i}.npz")
    files = [tmp_path / f"m{i}.npz" for i in range(3)]
    out = tmp_path / "ensemble.json"
    shown = run("ensemble", *files, "--method", "fitted weights", "--out", out, "--draws", 20)
    assert "Gain over" in shown and "m0.npz" in shown
    chosen = json.loads(out.read_text())
    assert set(chosen["members"]) <= {str(f) for f in files}
    assert sum(chosen["members"].values()) == pytest.approx(1, abs=5e-3)


def test_a_run_gives_the_scores_of_the_split_that_was_asked_for(tmp_path):
    """Members are runs, chosen by what they scored outside the test split."""
    base, rng = make_table(150), np.random.default_rng(3)
    runs = [tmp_path / "one", tmp_path / "two"]
    for folder in runs:
        (folder / "valid").mkdir(parents=True)
        (folder / "recipe.toml").write_text("")
        make_table(20, seed=9).save(folder / "predictions.npz")
        label = base.label * np.exp(rng.normal(size=base.label.shape) * 0.6)
        label /= label.sum(axis=1, keepdims=True)
        replace(base, label=label).save(folder / "valid" / "predictions.npz")
    out = tmp_path / "ensemble.json"
    for given in (runs, [folder / "valid" for folder in runs]):
        shown = run("ensemble", *given, "--method", "equal weights", "--out", out, "--draws", 20)
        assert "150" in shown
        assert set(json.loads(out.read_text())["members"]) == {str(folder) for folder in runs}
    with pytest.raises(FileNotFoundError, match="--split train"):
        run("ensemble", *runs, "--split", "train", "--out", out)


def test_votes_of_a_prepared_folder_are_measured(tmp_path):
    """`mien data prepare` keeps them in its packed file alone."""
    from mien.data.prepare import prepare
    from mien.workflows.truth import truth
    from tests.data.drawn import write_folder, write_votes

    write_folder(tmp_path / "source", {"happy": 12, "sad": 12})
    names = [f"train/{e}/face_{i:04d}.png" for e in ("happy", "sad") for i in range(12)]
    write_votes(tmp_path / "source", {name: {"happy": 6, "sad": 4} for name in names})
    prepare(tmp_path / "source", tmp_path / "out")
    table = truth(tmp_path / "out", "train")
    assert table.counts is not None
    assert table.counts.sum(axis=1).tolist() == [10] * len(table)


def test_scores_are_joined_by_the_names_of_a_prepared_folder(tmp_path):
    """Its pictures are numbered anew, so that a name may be another one's in the source."""
    from mien.data.prepare import prepare
    from mien.workflows.truth import joined, truth
    from tests.data.drawn import write_folder

    write_folder(tmp_path / "source", {"happy": 12, "sad": 12})
    for kind in ("happy", "sad"):
        for i, path in enumerate(sorted((tmp_path / "source" / "train" / kind).iterdir())):
            path.rename(path.with_name(f"{kind}_{i:05d}.png"))  # prepare counts from 1
    out = tmp_path / "out"
    prepare(tmp_path / "source", out)
    known = truth(out, "train")
    with (out / "manifest.csv").open(newline="") as file:
        source_of = {row["path"]: row["id"] for row in csv.DictReader(file)}
    paths = [path for path in source_of if path.startswith("train/")]
    score = np.random.default_rng(0).dirichlet(np.ones(7), len(paths))
    expected = {source_of[path]: row for path, row in zip(paths, score, strict=True)}
    for names in (paths, [str(out / path) for path in paths]):
        scores = Predictions(id=np.array(names), y=np.full(len(names), -1), label=score)
        table = joined(scores, known, out)
        assert len(table) == len(paths)
        for name, row in zip(table.id.tolist(), table.label, strict=True):
            np.testing.assert_array_equal(row, expected[name])
    bare = np.array([Path(path).name for path in paths])
    with pytest.raises(ValueError, match=r"use the names in the column file of test\.csv"):
        joined(Predictions(id=bare, y=np.full(len(bare), -1), label=score), known, out)


def test_stale_metrics_are_not_reported(tmp_path):
    make_table(60).save(tmp_path / "predictions.npz")
    (tmp_path / "metrics.json").write_text('{"predictions_sha256": "of another table"}')
    run("report", tmp_path, "--draws", 10)
    assert "How good is made-0?" in (tmp_path / "report.html").read_text()


def test_stored_metrics_are_reported_whatever_the_order_of_copying(tmp_path):
    made = make_table(60)
    scores = write_csv(tmp_path / "other.csv", made.id, made.label)
    made.save(tmp_path / "truth.npz")
    run("evaluate", "--predictions", scores, tmp_path / "truth.npz", "--out", tmp_path / "run")
    metrics = tmp_path / "run" / "metrics.json"
    stored = json.loads(metrics.read_text())
    stored["heads"]["label"]["all"]["accuracy"]["value"] = 0.12345
    metrics.write_text(json.dumps(stored))
    os.utime(metrics, (1, 1))
    run("report", tmp_path / "run")
    assert "12.3" in (tmp_path / "run" / "report.md").read_text()


def test_scores_are_not_written_over_what_they_are_read_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.evaluation").mkdir()
    make_table(60).save(Path("a.evaluation/predictions.npz"))
    make_table(40).save(Path("truth.npz"))
    before = Path("a.evaluation/predictions.npz").read_bytes()
    for args in (
        ("--predictions", "a.evaluation", "truth.npz"),
        ("--predictions", "a.evaluation/predictions.npz", "truth.npz", "--out", "a.evaluation"),
        ("--predictions", "truth.npz", "a.evaluation", "--out", tmp_path / "a.evaluation"),
    ):
        with pytest.raises(ValueError, match=r"a\.evaluation.*overwritten; choose another --out"):
            run("evaluate", *args, "--draws", 10)
    assert Path("a.evaluation/predictions.npz").read_bytes() == before
    args = ("--predictions", "a.evaluation", "truth.npz", "--out", "b", "--draws", 10)
    assert "truth.npz lacks 20 of 60 scored pictures" in run("evaluate", *args)


def test_runs_are_compared_and_reported_on_the_split_that_was_asked_for(tmp_path):
    for name, seed in (("one", 1), ("two", 2)):
        folder = tmp_path / name
        (folder / "valid").mkdir(parents=True)
        (folder / "recipe.toml").write_text("")
        for part, n in ((folder, 30), (folder / "valid", 50)):
            table = make_table(n)
            label = make_table(n, seed=seed).label
            replace(table, label=label, split=part.name).save(part / "predictions.npz")
    one, two, out = tmp_path / "one", tmp_path / "two", tmp_path / "c.json"
    run("compare", one, two, "--split", "valid", "--draws", 10, "--out", out)
    assert json.loads(out.read_text())["n"] == 50
    run("compare", one, two, "--draws", 10, "--out", out)
    assert json.loads(out.read_text())["n"] == 30
    run("report", one, two, "--split", "valid", "--draws", 10)
    assert "Measured on 50 pictures of the valid split" in (one / "valid/report.md").read_text()
    with pytest.raises(FileNotFoundError, match="--split train"):
        run("report", one, "--split", "train")


def test_a_report_keeps_to_the_draws_that_were_asked_for(tmp_path):
    made = make_table(60)
    made.save(tmp_path / "truth.npz")
    scores = write_csv(tmp_path / "other.csv", made.id, made.label)
    folder = tmp_path / "run"
    args = ("--predictions", scores, tmp_path / "truth.npz", "--out", folder, "--draws", 20)
    run("evaluate", *args, "--seed", 3)
    for asked, resamples in ((), "20"), (("--draws", 30), "30"):
        run("report", folder, *asked)
        assert f"{resamples} resamples" in (folder / "report.md").read_text()
        assert "seed 3" in (folder / "report.md").read_text()


def test_the_page_is_not_written_to_where_its_markdown_goes(tmp_path):
    with pytest.raises(ValueError, match=r"r\.md: the page is HTML; end --out in \.html"):
        run("report", tmp_path / "nothing.npz", "--out", tmp_path / "r.md")
    make_table(60).save(tmp_path / "p.npz")
    run("report", tmp_path / "p.npz", "--draws", 10, "--out", tmp_path / "r.HTM")
    assert (tmp_path / "r.HTM").read_text().startswith("<!doctype html>")
    assert (tmp_path / "r.md").read_text().startswith("# How good")
