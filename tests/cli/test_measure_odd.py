"""Odd names, infinite figures and mistakes in the commands that measure."""

import json
from dataclasses import replace

import pytest

from mien.emotions import EMOTIONS
from tests.cli.measured import run, write_csv
from tests.measure.made import make_table


def test_names_keep_their_brackets(tmp_path):
    tables = tmp_path / "d[", tmp_path / "e"
    for folder, seed in zip(tables, (0, 1), strict=True):
        folder.mkdir()
        made = make_table(40, seed=seed)
        write_csv(folder / "x[red].csv", made.id, made.label)
    make_table(40).save(tmp_path / "truth.npz")
    files = [folder / "x[red].csv" for folder in tables]
    shown = run("compare", *files, "--data", tmp_path / "truth.npz", "--draws", 10)
    assert shown.count("[red]") >= 2
    odd = tmp_path / "d[" / "x].csv"
    files[0].rename(odd)
    assert "x]" in run("compare", odd, files[1], "--data", tmp_path / "truth.npz", "--draws", 10)


def test_infinity_does_not_reach_json(tmp_path):
    """A ballot that equals the votes is equivalent to more annotators than can be counted."""
    made = make_table(60)
    replace(made, ballot=made.counts / 10).save(tmp_path / "perfect.npz")
    args = ("--predictions", tmp_path / "perfect.npz", tmp_path / "perfect.npz")
    run("evaluate", *args, "--out", tmp_path / "o", "--draws", 10)

    def refuse(name):
        raise AssertionError(name)

    text = (tmp_path / "o" / "metrics.json").read_text()
    found = json.loads(text, parse_constant=refuse)
    assert found["calibration"]["votes"]["before"]["all"]["worth_annotators"]["value"] is None
    run("report", tmp_path / "o")
    assert "| Equivalent annotators | ∞ |" in (tmp_path / "o" / "report.md").read_text()


def test_a_truth_in_capitals_is_read(tmp_path):
    from mien.workflows.truth import truth

    made = make_table(20)
    rows = [f"{i},{EMOTIONS[y]}" for i, y in zip(made.id, made.y, strict=True)]
    (tmp_path / "OK.CSV").write_text("\n".join(["file,y,top", *(f"{r},sad" for r in rows)]))
    assert truth(tmp_path / "OK.CSV", "test").y.tolist() == made.y.tolist()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["evaluate", "only-one"], "a bundle .or run. and the data"),
        (["evaluate", "a", "b", "--predictions", "c.csv"], "give the data alone"),
        (["compare", "nothing.npz", "nothing.npz"], "no such file"),
    ],
)
def test_mistakes_are_one_sentence(args, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(*args)
