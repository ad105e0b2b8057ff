from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.train.conftest import tiny_recipe

from mien.train import reports, run
from mien.train.reports import draw
from mien.train.watch import Events, Silent

HISTORY = [
    {"epoch": 1, "loss": 4.0, "seconds": 60.0, "images_per_second": 200.0, "held_label": 0.4},
    {"epoch": 2, "loss": 3.5, "seconds": 60.0, "images_per_second": 210.0, "held_label": 0.55},
]


def made_run(root: Path, name: str, **changes: object) -> Path:
    folder = root / name
    run.claim(folder, tiny_recipe(name=name, **changes), {"data": "x"})
    run.write_history(folder, HISTORY)
    return folder


def test_a_run_in_a_row(tmp_path: Path):
    folder = made_run(tmp_path, "one")
    cells = reports.row(folder)
    assert cells["epochs"] == "2/2"
    assert (cells["minutes"], cells["images/s"], cells["held label"]) == ("2.0", "210", "55.0")
    assert cells["label"] == reports.DASH
    heads = {"label": {"all": {"accuracy": {"value": 0.701}}}}
    (folder / "metrics.json").write_text(json.dumps({"heads": heads}))
    assert reports.row(folder)["label"] == "70.1"
    assert reports.find_runs(tmp_path) == [folder]


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path):
    folder = made_run(tmp_path, "one")
    (folder / run.RECIPE).write_text("x = = 1")
    (folder / "metrics.json").write_text("{")
    assert reports.row(folder)["trunk"].startswith("damaged")


def test_early_stopping_shows_the_epoch_that_is_kept(tmp_path: Path):
    folder = made_run(tmp_path, "one", data__holdout=0.1, stopping__patience=2, epochs=3)
    run.write_history(folder, [*HISTORY, HISTORY[0] | {"epoch": 3}])
    cells = reports.row(folder)
    assert (cells["epochs"], cells["held label"], cells["loss"]) == ("3/3", "55.0", "3.500")


def test_a_recipe_is_replaced_until_an_epoch_has_ended(tmp_path: Path):
    folder = made_run(tmp_path, "one")
    made_run(tmp_path, "one", optimizer__clip=1.0)
    assert run.read_recipe(folder).optimizer.clip == 1
    run.claim(folder, run.read_recipe(folder), {"data": "other"})
    assert run.read_facts(folder)["data"] == "other"
    (folder / run.CHECKPOINT).touch()
    with pytest.raises(ValueError, match="another recipe"):
        made_run(tmp_path, "one")
    with pytest.raises(ValueError, match="other data"):
        run.claim(folder, run.read_recipe(folder), {"data": "x"})


def test_runs_differ_in_what_their_recipes_differ(tmp_path: Path):
    folders = [
        made_run(tmp_path, "a", optimizer__lr=1e-3), made_run(tmp_path, "b", seed=4),
    ]  # fmt: skip
    assert reports.differences(folders) == {"seed": ["0", "4"], "optimizer.lr": ["0.001", "0.003"]}


def test_curves_are_a_png_with_a_panel_for_each_column(tmp_path: Path):
    wide, narrow = tmp_path / "wide.png", tmp_path / "narrow.png"
    draw({"a": HISTORY, "b": HISTORY[:1]}, wide)
    draw({"a": [{"epoch": 1, "loss": 1.0}]}, narrow)
    with Image.open(wide) as image, Image.open(narrow) as other:
        assert image.size[0] > 2 * other.size[0]
        assert np.asarray(image.convert("L")).std() > 5


def test_history_survives_with_new_columns(tmp_path: Path):
    run.write_history(tmp_path, [{"epoch": 1, "loss": 1.5}, {"epoch": 2, "loss": 1.0, "new": 2}])
    assert run.read_history(tmp_path) == [
        {"epoch": 1.0, "loss": 1.5}, {"epoch": 2.0, "loss": 1.0, "new": 2.0},
    ]  # fmt: skip
    assert run.read_history(tmp_path / "none") == []


def test_tensorboard_events_are_written(tmp_path: Path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    watch = Events(tmp_path, Silent())
    for row in HISTORY:
        watch.end(row, row, 0)
    board = EventAccumulator(str(tmp_path / "events"))
    board.Reload()
    assert [(e.step, round(e.value, 3)) for e in board.Scalars("loss")] == [(1, 4.0), (2, 3.5)]
