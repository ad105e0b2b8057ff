from __future__ import annotations

from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from mien.cli import train as verbs
from mien.cli.export import soup
from mien.cli.tune import tune
from mien.emotions import EMOTIONS
from tests.train import conftest
from tests.train.test_reports import made_run

runs, few_threads = conftest.runs, conftest._few_threads


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    for verb in (verbs.train, verbs.distill, verbs.runs, tune, soup):
        app.command()(verb)
    return app


def test_a_command_line_is_a_recipe_a_folder_and_overrides(tmp_path: Path):
    file = tmp_path / "mine.toml"
    file.write_text("epochs = 3\n")
    recipe = verbs.read_recipe([str(file), "some/data", "optimizer.lr=1e-3"], start="lite0")
    assert (recipe.name, recipe.epochs, recipe.data.path) == ("mine", 3, "some/data")
    assert recipe.network.start == "lite0"
    with pytest.raises(ValueError, match="one recipe and one data folder"):
        verbs.read_recipe(["small", "a", "b"])
    with pytest.raises(FileNotFoundError, match=r"a: no such recipe; known by name: .*vgg19"):
        verbs.read_recipe(["a", "b"])
    assert verbs.read_recipe(["small", "some/data"]).network.trunk == "mobilenetv1_100"
    assert verbs.read_recipe(["small", "data.path=some/data"]).data.path == "some/data"
    assert verbs.read_recipe(["some/data"]).data.path == "some/data"
    with pytest.raises(ValueError, match="which data"):
        verbs.read_recipe([str(file)])


def test_folders_that_nobody_prepared_are_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Without a split, a tenth is kept to score each epoch; folds and trials keep their own."""
    for row, image in enumerate(conftest.make_faces(70).images):
        path = tmp_path / "faces" / EMOTIONS[row % 7] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    recipe = verbs.read_recipe(["small", str(tmp_path / "faces")])
    data = verbs.read_data(recipe)
    assert (data.split == "valid").sum() == 7 and (data.split == "train").sum() == 63
    assert "7 of 70 are kept to score each epoch" in capsys.readouterr().out
    assert set(verbs.read_data(recipe, hold=False).split) == {"train"}
    assert "all train" in capsys.readouterr().out
    held = verbs.read_recipe(["small", str(tmp_path / "faces"), "data.holdout=0.2"])
    assert set(verbs.read_data(held, tell=False).split) == {"train"}
    assert not capsys.readouterr().out
    (tmp_path / "faces").rename(tmp_path / "train")
    again = verbs.read_data(verbs.read_recipe(["small", str(tmp_path)]))
    assert set(again.split) == {"train"}  # as the folder says


def test_distill_leaves_what_the_recipe_says(
    app: typer.Typer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    asked = []
    monkeypatch.setattr(verbs, "keep_pages", lambda: None)
    monkeypatch.setattr(verbs, "_train", lambda recipe, **_: asked.append(recipe.targets))
    given = ["distill", "default", str(tmp_path), "targets.temperature=3"]
    for more in ([], ["--weight", "0.2"]):
        CliRunner().invoke(app, [*given, "targets.teacher_weight=0.4", *more])
    assert [(t.teacher, t.teacher_weight, t.temperature) for t in asked] == [
        ("default", 0.4, 3.0), ("default", 0.2, 3.0),
    ]  # fmt: skip


def test_runs_are_listed_compared_and_drawn(app: typer.Typer, runs: Path, tmp_path: Path):
    made_run(runs, "one", optimizer__lr=1e-3)
    made_run(runs, "two")
    listed = CliRunner().invoke(app, ["runs"])
    assert listed.exit_code == 0
    assert "one" in listed.stdout
    assert "two" in listed.stdout
    assert "optimizer.lr" not in listed.stdout
    picture = tmp_path / "both.png"
    compared = CliRunner().invoke(app, ["runs", "one", "two", "--curves", str(picture)])
    assert "optimizer.lr" in compared.stdout
    assert picture.stat().st_size > 1000


def test_no_runs_say_what_makes_them(app: typer.Typer, runs: Path):
    with pytest.raises(FileNotFoundError, match="mien train"):
        CliRunner().invoke(app, ["runs"], catch_exceptions=False)


@pytest.mark.parametrize("verb", ["train", "distill", "runs", "tune", "soup"])
def test_help_ends_with_an_example(app: typer.Typer, verb: str):
    shown = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"})
    assert f"Example: mien {verb}" in shown.stdout
