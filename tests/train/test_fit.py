from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score
from tests.tiny import make_bundle
from tests.train.conftest import make_faces, tiny_recipe

from mien.emotions import BALLOT, BALLOT_INDEX
from mien.train import fit, run, scoring, weights
from mien.train.network import Network
from mien.train.recipe import Recipe
from mien.train.scoring import predict, predict_sharded
from mien.train.watch import Silent


class StopError(Exception):
    """Stands for a kill."""


class Killer(Silent):
    """Ends the run in the middle of an epoch."""

    def __init__(self, epoch: int, batches: int) -> None:
        self.left, self.epoch, self.at = batches, epoch, -1

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        self.at = epoch

    def advance(self, images: int) -> None:
        if self.at == self.epoch:
            self.left -= 1
            if not self.left:
                raise StopError


class Rows(Silent):
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.told: list[tuple[int, float]] = []

    def end(self, row: dict[str, Any], best: dict[str, Any], seconds_left: float) -> None:
        self.rows.append(row)
        self.told.append((best["epoch"], seconds_left))


def learn(recipe: Recipe, folder: Path, **more: Any) -> Network:
    return fit.fit(recipe, make_faces(98, copies=6), folder, watch=Silent(), **more)


def bits(network: Network) -> bytes:
    return b"".join(v.contiguous().numpy().tobytes() for v in network.state_dict().values())


def test_a_tiny_network_learns_and_leaves_a_whole_folder(tmp_path: Path):
    watch = Rows()
    recipe = tiny_recipe(epochs=6, ema=0.0, data__holdout=0.15, optimizer__lr=1e-2, batch_size=8)
    network = fit.fit(recipe, make_faces(160), tmp_path, watch=watch)
    assert watch.rows[-1]["held_label"] > 0.6
    assert watch.rows[-1]["loss"] < watch.rows[0]["loss"]
    assert [row["epoch"] for row in run.read_history(tmp_path)] == [1, 2, 3, 4, 5, 6]
    again, restored = run.load_network(tmp_path)
    assert again.same_training(recipe)
    assert bits(restored) == bits(network)
    assert not list(tmp_path.glob("*.part"))


def test_the_average_of_a_few_steps_is_not_the_random_start(tmp_path: Path):
    """A small data set takes a hundred steps in six epochs, of which 0.998 keeps 80 %."""
    watch = Rows()
    recipe = tiny_recipe(epochs=6, ema=0.998, data__holdout=0.15, optimizer__lr=1e-2, batch_size=8)
    fit.fit(recipe, make_faces(160), tmp_path, watch=watch)
    assert watch.rows[-1]["held_label"] > 0.6


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path, precision: str):
    recipe = tiny_recipe(
        epochs=3, precision=precision, network__dropout=0.2, augment__mixup=0.2, data__nonfaces=0.13
    )
    whole = learn(recipe, tmp_path / "whole")
    for epoch, batches in ((0, 2), (2, 1)):
        with pytest.raises(StopError):
            fit.fit(
                recipe, make_faces(98, copies=6), tmp_path / "cut", watch=Killer(epoch, batches)
            )
    assert bits(learn(recipe, tmp_path / "cut")) == bits(whole)
    timed = ("seconds", "images_per_second")
    tables = [
        [{k: v for k, v in row.items() if k not in timed} for row in run.read_history(tmp_path / n)]
        for n in ("whole", "cut")
    ]
    assert tables[0] == tables[1]


def test_freezing_then_unfreezing_resumes_to_the_same_bits(tmp_path: Path):
    recipe = tiny_recipe(
        epochs=3, transfer__frozen_epochs=1, transfer__layer_decay=0.7, optimizer__name="sgd"
    )
    whole = learn(recipe, tmp_path / "whole")
    with pytest.raises(StopError):
        fit.fit(recipe, make_faces(98, copies=6), tmp_path / "cut", watch=Killer(2, 1))
    assert bits(learn(recipe, tmp_path / "cut")) == bits(whole)


@pytest.mark.parametrize("ema", [0.0, 0.8])
def test_frozen_layers_keep_their_average_and_resume_to_the_same_bits(tmp_path: Path, ema: float):
    recipe = tiny_recipe(epochs=3, ema=ema, transfer__freeze={"1": "layer1"})
    whole = learn(recipe, tmp_path / "whole")
    with pytest.raises(StopError):
        fit.fit(recipe, make_faces(98, copies=6), tmp_path / "cut", watch=Killer(1, 1))
    state = run.load_checkpoint(tmp_path / "cut" / run.CHECKPOINT)
    assert state["epoch"] == 1
    settled = state["ema"] or state["network"]
    for name, value in whole.state_dict().items():
        still = name.startswith(("trunk.conv1.", "trunk.bn1.", "trunk.layer1."))
        if value.is_floating_point():
            assert torch.allclose(value, settled[name], atol=1e-6) == still, name
    assert bits(learn(recipe, tmp_path / "cut")) == bits(whole)


def test_a_wrong_name_of_a_frozen_layer_is_told_before_training(tmp_path: Path):
    with pytest.raises(ValueError, match="no layer 'layer9'"):
        learn(tiny_recipe(epochs=3, transfer__freeze={"2": "layer9"}), tmp_path)
    assert not (tmp_path / run.CHECKPOINT).exists()


def test_without_any_votes_the_ballot_learns_the_labels(tmp_path: Path):
    """Made non-faces alone taught it that nothing is a face."""
    faces = make_faces(98)
    bare = replace(faces, votes=np.full_like(faces.votes, -1))
    recipe = tiny_recipe(epochs=8, optimizer__lr=1e-2, data__nonfaces=0.13)
    network = fit.fit(recipe, bare, tmp_path, watch=Silent())
    label, ballot = predict(network, torch.from_numpy(faces.images), size=24)
    assert ballot[:, BALLOT.index("NF")].mean() < 0.3
    named = ballot[:, BALLOT_INDEX].argmax(1)
    assert (named == label.argmax(1)).float().mean() > 0.7


def test_a_finished_run_is_not_trained_again(tmp_path: Path):
    first = learn(tiny_recipe(epochs=1), tmp_path)
    watch = Rows()
    again = fit.fit(tiny_recipe(epochs=1), make_faces(98, copies=6), tmp_path, watch=watch)
    assert not watch.rows
    assert bits(again) == bits(first)


def test_a_folder_keeps_to_its_recipe_and_data(tmp_path: Path):
    learn(tiny_recipe(epochs=1), tmp_path)
    with pytest.raises(ValueError, match="another recipe"):
        learn(tiny_recipe(epochs=1, seed=1), tmp_path)
    with pytest.raises(ValueError, match="other data"):
        fit.fit(tiny_recipe(epochs=1), make_faces(91, seed=5), tmp_path, watch=Silent())


def test_a_folder_keeps_to_its_teacher_and_to_the_run_it_began_with(tmp_path: Path):
    """What was done from an older teacher or start must not pass for done from today's."""
    for seed in (0, 1):
        learn(tiny_recipe(epochs=1, seed=seed), tmp_path / f"first-{seed}")
    shutil.copytree(tmp_path / "first-0", tmp_path / "start")
    taught = {"epochs": 1, "targets__teacher": str(make_bundle(tmp_path / "teacher"))}
    begun = {"epochs": 1, "network__start": str(tmp_path / "start")}
    for name, keys in (("taught", taught), ("begun", begun)):
        learn(tiny_recipe(**keys), tmp_path / name)
        learn(tiny_recipe(**keys), tmp_path / name)  # as it was: done
    before = run.read_facts(tmp_path / "begun")
    shutil.rmtree(tmp_path / "start")
    shutil.copytree(tmp_path / "first-1", tmp_path / "start")
    make_bundle(tmp_path / "teacher", seed=1)
    with pytest.raises(ValueError, match="teacher is another teacher now; give name=OTHER"):
        learn(tiny_recipe(**taught), tmp_path / "taught")
    with pytest.raises(ValueError, match="start has other weights now than when this run began"):
        learn(tiny_recipe(**begun), tmp_path / "begun")
    assert run.read_facts(tmp_path / "begun") == before


def test_a_run_of_an_older_mien_goes_on(tmp_path: Path):
    """Keys that did not exist then are absent from its recipe, and have their defaults now."""
    recipe = tiny_recipe(epochs=1)
    learn(recipe, tmp_path)
    text = (tmp_path / run.RECIPE).read_text().split("\n[transfer]")[0]
    (tmp_path / run.RECIPE).write_text(text + "\n[augment]\nrotate=5.0\nshift=0.04\nerase=0.2\n"
                                       "[optimizer]\nlr=3e-3\n")  # fmt: skip
    learn(recipe, tmp_path)


def test_plateau_lowers_the_rate_and_early_stopping_ends_on_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scores = iter([0.5, 0.4, 0.4, 0.4])
    monkeypatch.setattr(fit, "score", lambda *a, **k: {"held_label": next(scores)})
    recipe = tiny_recipe(
        epochs=9, data__holdout=0.2, stopping__patience=3, schedule__name="plateau",
        schedule__patience=1, schedule__warmup=0.0, schedule__factor=0.1,
    )  # fmt: skip
    kept = learn(recipe, tmp_path)
    assert len(run.read_history(tmp_path)) == 4
    best = weights.read(tmp_path / run.BEST_WEIGHTS).state
    assert torch.equal(best["label.weight"], kept.label.weight)
    state = run.load_checkpoint(tmp_path / run.CHECKPOINT)
    assert not torch.equal(best["label.weight"], state["ema"]["label.weight"])
    rates = {group["lr"] / group["peak_lr"] for group in state["optimizer"]["param_groups"]}
    assert max(rates) == pytest.approx(0.01)


def test_balance_and_share_change_what_is_learnt_from(tmp_path: Path):
    learn(
        tiny_recipe(
            epochs=1, data__share=0.6, balance__weights=0.5, balance__sampling=0.5,
            balance__augment=1.0, optimizer__clip=1.0, optimizer__fused=True,
        ),
        tmp_path,
    )  # fmt: skip
    assert run.read_facts(tmp_path)["images"] < 70


def test_no_loss_no_checkpoint(tmp_path: Path):
    recipe = tiny_recipe(epochs=3)
    learn(tiny_recipe(epochs=3), tmp_path / "a")
    with pytest.raises(StopError):
        fit.fit(recipe, make_faces(98, copies=6), tmp_path / "b", watch=Killer(1, 1))
    before = (tmp_path / "b" / run.CHECKPOINT).read_bytes()
    broken = make_faces(98, copies=6)
    nan = tiny_recipe(epochs=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mien.train.loop.masked_cross_entropy", lambda *a: torch.tensor(float("nan")))
        with pytest.raises(FloatingPointError, match=r"epoch 2, batch 1.*optimizer\.lr"):
            fit.fit(nan, broken, tmp_path / "b", watch=Silent())
    assert (tmp_path / "b" / run.CHECKPOINT).read_bytes() == before


def test_weights_that_are_no_numbers_are_not_kept():
    from tests.train.test_network import build

    network = build("test_resnet", trunk_args={"channels": [8, 8, 16, 16]})
    run.check_finite(network, 0)
    network.trunk.bn1.running_var[0] = np.inf
    with pytest.raises(FloatingPointError, match=r"bn1\.running_var"):
        run.check_finite(network, 0)


def test_a_validation_split_is_scored_shown_and_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    faces, valid = make_faces(98), make_faces(49, seed=3)
    valid.emotion[:2] = -1  # nobody knows these
    recipe = tiny_recipe(epochs=3, ema=0.0, optimizer__lr=1e-2, sizes={"0": 28, "0.5": 24})
    watch, sizes = Rows(), []

    def predict_at(*given: Any, size: int, **more: Any) -> Any:
        sizes.append(size)
        return predict_sharded(*given, size=size, **more)

    monkeypatch.setattr(scoring, "predict_sharded", predict_at)
    network = fit.fit(recipe, faces, tmp_path / "with", watch=watch, valid=valid)
    monkeypatch.undo()
    assert bits(network) == bits(fit.fit(recipe, faces, tmp_path / "without", watch=Silent()))
    label, _ = predict(network, torch.from_numpy(valid.images[2:]), size=24)
    known, claimed = valid.emotion[2:], label.argmax(1).numpy()
    last = run.read_history(tmp_path / "with")[-1]
    assert last["valid_accuracy"] == pytest.approx(accuracy_score(known, claimed), abs=1e-4)
    macro = f1_score(known, claimed, average="macro")
    assert last["valid_macro_f1"] == pytest.approx(macro, abs=1e-4)
    scores = [row["valid_accuracy"] for row in watch.rows]
    best = [scores.index(max(scores[:done])) + 1 for done in (1, 2, 3)]
    assert sizes == [28, 28, 24, 24]  # of each epoch, then the shipped one: norms fit no other
    assert [epoch for epoch, _ in watch.told] == best
    assert watch.told[-1][1] == 0
    after_one = SimpleNamespace(recipe=recipe, epoch=1, history=[{"seconds": 6.0, "size": 24}])
    assert fit.time_left(after_one) == pytest.approx(6 + 6 * (28 / 24) ** 2)
    cells = run.read_confusion(tmp_path / "with")
    counts = np.array([row[1:] for row in cells[1:]], int)
    assert np.array_equal(counts, confusion_matrix(known, claimed, labels=range(7)))
    assert Image.open(tmp_path / "with" / "confusion.png").width > 300
    assert run.read_confusion(tmp_path / "without") == []


def test_a_folder_is_trained_in_by_one_process_at_a_time(tmp_path: Path):
    learn(tiny_recipe(epochs=1), tmp_path)
    other = "import sys; from pathlib import Path; from mien.train import run\n"
    other += "with run.locked(Path(sys.argv[1])): pass"
    ask = [sys.executable, "-c", other, str(tmp_path)]
    with run.locked(tmp_path):
        refused = subprocess.run(ask, capture_output=True, text=True, check=False)
        with pytest.raises(OSError, match=r"another process is training here.*name=OTHER"):
            learn(tiny_recipe(epochs=1), tmp_path)
    assert "another process is training here" in refused.stderr
    assert subprocess.run(ask, check=False).returncode == 0


def test_too_few_pictures_for_a_batch(tmp_path: Path):
    with pytest.raises(ValueError, match="do not fill a batch of 128"):
        learn(tiny_recipe(batch_size=128), tmp_path)


def test_facts_name_the_start_and_precision(tmp_path: Path):
    learn(tiny_recipe(epochs=1, precision="auto"), tmp_path)
    facts = json.loads((tmp_path / run.FACTS).read_text())
    assert facts["start"] == "random"
    assert facts["precision"] in ("float32", "bf16")


def test_a_network_that_takes_no_such_pictures_says_so_before_training(tmp_path: Path):
    recipe = tiny_recipe(epochs=2, network__trunk_args={"channels": [8, 8, 16, 16], "in_chans": 1})
    with pytest.raises(ValueError, match="the network takes no pictures of"):
        fit.fit(recipe, make_faces(32), tmp_path, watch=Silent())
    assert not list(tmp_path.iterdir())
