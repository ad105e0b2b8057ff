from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from tests.train.conftest import make_faces, tiny_recipe

from mien.cli.tune import _alone
from mien.train import recipe as recipes
from mien.train import reports as findings
from mien.train import tune
from mien.train.run import CHECKPOINT, read_recipe
from mien.train.watch import Silent, Stopped
from mien.workflows.plan import to_seconds

ROOT = Path(__file__).parents[2]
SPACE = {"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "batch_size": [8, 16]}


def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that train nothing: the score is best at 1e-3 and rises with the epochs."""

    def fit(recipe: recipes.Recipe, data: Any, folder: Path, *, watch: Any) -> None:
        from mien.train.run import claim, write_history

        if not folder.exists():
            claim(folder, recipe, {"data": "x"})
        rows: list[dict[str, Any]] = []
        for epoch in range(recipe.epochs):
            watch.begin(epoch, recipe.epochs, 10)
            watch.advance(10)
            score = 0.9 - 0.2 * abs(recipe.optimizer.lr / 1e-3 - 1) ** 0.5 + 0.01 * epoch
            rows.append({"epoch": epoch + 1, "held_label": score, "loss": 1.0})
            write_history(folder, rows)
            watch.end(rows[-1], rows[-1], 0)

    monkeypatch.setattr(tune, "fit", fit)


def run(recipe: recipes.Recipe, folder: Path, study: optuna.Study, **more: Any) -> None:
    settings: dict[str, Any] = {"trials": 12, "budget": None, "watch": Silent()}
    tune.search(
        recipe, make_faces(70), folder / "trials", study, on_trial=lambda *a: None,
        **settings | more,
    )  # fmt: skip


def test_a_study_finds_the_best_resumes_and_reports(tmp_path: Path, monkeypatch: Any):
    scripted(monkeypatch)
    recipe = tiny_recipe(epochs=3, tune__space=SPACE, tune__epochs=2)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    run(recipe, tmp_path, tune.open_study("s", storage, seed=0), trials=5)
    study = tune.open_study("s", storage, seed=0)
    assert len(study.trials) == 5
    run(recipe, tmp_path, study)
    assert len(study.trials) == 12
    assert any(t.state == TrialState.PRUNED for t in study.trials)
    assert 3e-4 < study.best_params["optimizer.lr"] < 3e-3
    trial = read_recipe(tmp_path / "trials" / "trial-000")
    assert (trial.epochs, trial.data.holdout) == (2, 0.1)

    written = findings.report(study, recipe, tmp_path / "report")
    assert {p.name for p in written} >= {
        "report.md", "trials.csv", "best.toml", "history.png", "importances.png", "parallel.png",
        "slices.png",
    }  # fmt: skip
    with (tmp_path / "report" / "trials.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12
    best = recipes.load(tmp_path / "report" / "best.toml")
    assert best.optimizer.lr == study.best_params["optimizer.lr"]
    assert (best.epochs, best.data.holdout, best.name) == (3, 0.0, "tiny-tuned")


def test_a_study_takes_no_trials_of_other_data_or_another_recipe(tmp_path: Path):
    study = tune.open_study("s", f"sqlite:///{tmp_path / 'study.db'}", seed=0)
    recipe, faces = tiny_recipe(tune__space=SPACE), make_faces(20)
    tune.check_same(study, recipe, faces)
    tune.check_same(study, tiny_recipe(tune__space={}, name="other"), faces)
    for epochs in ({"epochs": 9}, {"tune__epochs": 1}):
        with pytest.raises(ValueError, match="of another recipe; give --study"):
            tune.check_same(study, tiny_recipe(**epochs), faces)
    with pytest.raises(ValueError, match="of other data"):
        tune.check_same(study, recipe, make_faces(21))


def test_a_new_study_leaves_the_folders_of_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scripted(monkeypatch)
    left = tmp_path / "trials" / "trial-000" / CHECKPOINT
    left.parent.mkdir(parents=True)
    left.touch()
    study = tune.open_study("s", f"sqlite:///{tmp_path / 'study.db'}", seed=0)
    run(tiny_recipe(epochs=1, tune__space=SPACE), tmp_path, study, trials=1)
    assert study.trials[0].user_attrs["run"] == "trial-000-1"
    assert study.trials[0].state == TrialState.COMPLETE


# what goes on here is scripted, and begins at its first epoch again
@pytest.mark.filterwarnings("ignore:The reported value is ignored")
@pytest.mark.slow
def test_the_budget_stops_in_time_and_the_cut_trial_goes_on(tmp_path: Path):
    recipe = tiny_recipe(epochs=400, tune__space=SPACE)  # more than any machine trains in time
    study = tune.open_study("s", f"sqlite:///{tmp_path / 'study.db'}", seed=0)
    began = time.monotonic()
    run(recipe, tmp_path, study, budget=4.0)
    assert time.monotonic() - began < 30
    cut, waiting = study.trials[0], study.trials[-1]
    assert (cut.state, waiting.state) == (TrialState.FAIL, TrialState.WAITING)
    with pytest.MonkeyPatch.context() as patch:
        scripted(patch)
        run(recipe, tmp_path, study, trials=1)
    assert study.trials[1].user_attrs["run"] == cut.user_attrs["run"]
    assert study.trials[1].params == cut.params


def test_a_trial_whose_process_was_killed_is_queued_again_at_once(tmp_path: Path):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    script = f"""
import os, signal
from tests.train.conftest import make_faces, tiny_recipe
from mien.train import tune
from mien.train.watch import Silent
from pathlib import Path
class Kill(Silent):
    def advance(self, images):
        os.kill(os.getpid(), signal.SIGKILL)
tune.search(tiny_recipe(tune__space={{"optimizer.lr": [1e-3]}}), make_faces(70),
    Path({str(tmp_path / "trials")!r}), tune.open_study("s", {storage!r}, seed=0), trials=1,
    budget=None, watch=Kill(), on_trial=lambda *a: None)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert done.returncode == -9
    study = tune.open_study("s", storage, seed=0)
    assert [t.state for t in study.trials] == [TrialState.RUNNING]
    study.ask()  # of this process, which lives
    tune.requeue_dead(study)
    states = [t.state for t in study.trials]
    assert states == [TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING]
    assert study.trials[2].user_attrs["run"] == "trial-000"


def test_a_real_trial_is_a_run_with_a_held_out_score(tmp_path: Path):
    recipe = tiny_recipe(epochs=1, tune__space={"optimizer.lr": [1e-3]})
    study = tune.open_study("s", f"sqlite:///{tmp_path / 'study.db'}", seed=0)
    run(recipe, tmp_path, study, trials=1)
    assert 0 <= study.best_value <= 1
    assert (tmp_path / "trials" / "trial-000" / CHECKPOINT).exists()
    assert "importances" not in findings.report(study, recipe, tmp_path)[-1].name


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"optimizer.lrr": [1]}, "not a key"),
        ({"optimizer.lr": [-1.0]}, r"optimizer\.lr"),
        ({"optimizer.lr": {"low": 1e-4}}, "low and high"),
        ({"optimizer.lr": {"low": 1e-2, "high": 1e-4}}, r"'optimizer\.lr': .*low"),
        ({"optimizer.lr": []}, r"'optimizer\.lr'"),
        ({"network.mean": [[0.5, 0.5, 0.5]]}, r"'network\.mean' takes lists or tables"),
        ({"sizes": [{"0": 24}]}, "'sizes' takes lists or tables"),
        ({"epochs": [2, 1]}, "frozen_epochs must leave"),
        ({}, "empty"),
    ],
)
def test_a_space_is_checked_before_anything_is_trained(space: dict, message: str):
    with pytest.raises(ValueError, match=message):
        tune.check_space(tiny_recipe(tune__space=space, tune__epochs=3, transfer__frozen_epochs=1))


def test_what_needs_a_held_out_score_has_one_in_the_best_recipe():
    recipe = tiny_recipe(tune__holdout=0.2)
    for changes in ({"schedule.name": "plateau"}, {"stopping.patience": 1}):
        assert findings.tuned(recipe, changes).data.holdout == 0.2
    assert findings.tuned(recipe, {"schedule.name": "constant"}).data.holdout == 0
    tune.check_space(tiny_recipe(tune__space={"schedule.name": ["cosine", "plateau"]}))


def test_values_that_do_not_go_together_end_one_trial_and_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scripted(monkeypatch)
    space = {"transfer.frozen_epochs": [0, 1], "epochs": [1, 2], "network.start": ["random", "a,b"]}
    recipe = tiny_recipe(tune__space=space)
    study = tune.open_study("s", f"sqlite:///{tmp_path / 'study.db'}", seed=0)
    for epochs in (1, 2):
        values = {"transfer.frozen_epochs": 1, "epochs": epochs, "network.start": "a,b"}
        study.enqueue_trial(values)
    run(recipe, tmp_path, study, trials=2)
    assert [t.state for t in study.trials] == [TrialState.PRUNED, TrialState.COMPLETE]
    findings.report(study, recipe, tmp_path)
    with (tmp_path / "trials.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert row["network.start"] == "a,b"
    assert "frozen_epochs must leave" in row["why"]


@pytest.mark.parametrize("fault", ["refused", "no score"])
def test_a_study_of_which_no_trial_can_be_trained_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
):
    def fit(recipe: recipes.Recipe, data: Any, folder: Path, *, watch: Any) -> None:
        from mien.train.run import write_history

        if fault == "refused":
            raise ValueError(fault)
        folder.mkdir(parents=True)
        write_history(folder, [{"epoch": 1, "held_label": float("nan")}])

    monkeypatch.setattr(tune, "fit", fit)
    study = tune.open_study("s", f"sqlite:///{tmp_path / 'study.db'}", seed=0)
    message = {"refused": "the last: refused", "no score": r"tune\.holdout"}[fault]
    with pytest.raises(ValueError, match=message):
        run(tiny_recipe(tune__space=SPACE), tmp_path, study, trials=3, budget=60)
    assert [t.state for t in study.trials] == 3 * [TrialState.PRUNED]


def test_a_signal_ends_the_helpers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: Path):
    from mien.cli import tune as verb
    from mien.data import dataset

    started: list[subprocess.Popen[bytes]] = []

    def search(*args: Any, **more: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    def popen(line: list[str], env: Any) -> subprocess.Popen[bytes]:
        started.append(real([sys.executable, "-c", "import time; time.sleep(60)"]))
        return started[-1]

    real = subprocess.Popen
    monkeypatch.setattr(verb, "keep_pages", lambda: None)  # it would start pytest again
    monkeypatch.setattr(tune, "search", search)
    monkeypatch.setattr(dataset, "load", lambda path: make_faces(14))
    monkeypatch.setattr(subprocess, "Popen", popen)
    (tmp_path / "tiny.toml").write_text(tiny_recipe().to_toml())
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped):
        verb.tune([str(tmp_path / "tiny.toml"), str(tmp_path)], trials=1, jobs=3)
    assert [helper.returncode for helper in started] == 2 * [-signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == before


def test_progressive_sizes_are_cut_to_a_trials_epochs():
    recipe = tiny_recipe(epochs=6, sizes={"0": 24, "4": 32}, tune__epochs=2)
    assert tune.trial_recipe(recipe, {}, name="t").sizes == {"0": 24}


def test_times_and_helpers():
    assert [to_seconds(t) for t in ("90s", "45m", "1.5h", "3")] == [90, 2700, 5400, 180]
    with pytest.raises(ValueError, match="45m"):
        to_seconds("soon")
    assert _alone(["mien", "tune", "r.toml", "--jobs", "2", "--jobs=3", "d"])[3:] == [
        "tune", "r.toml", "d",
    ]  # fmt: skip


@pytest.mark.slow
def test_two_processes_share_one_study(tmp_path: Path):
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        import torch
        from tests.train.conftest import make_faces, tiny_recipe
        from mien.train import tune
        from mien.train.watch import Silent

        torch.set_num_threads(1)
        folder = Path(sys.argv[1])
        recipe = tiny_recipe(epochs=1, tune__space={"optimizer.lr": {"low": 1e-4, "high": 1e-2}})
        study = tune.open_study("s", f"sqlite:///{folder / 'study.db'}", seed=0)
        tune.search(recipe, make_faces(70), folder / "trials", study, trials=6, budget=None,
                    watch=Silent(), on_trial=lambda s, t: print(t.number))
        """
    )
    tune.open_study("s", f"sqlite:///{tmp_path / 'study.db'}", seed=0)
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    numbers = [worker.communicate()[0].split() for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    assert all(numbers)
    done = sorted(int(n) for part in numbers for n in part)
    assert len(done) == len(set(done)) >= 6
