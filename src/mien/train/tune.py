"""A search over recipe keys with Optuna: any number of processes on one study, stopped on time."""

from __future__ import annotations

import math
import os
import socket
import time
import warnings
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from mien.data.dataset import Dataset
from mien.train.fit import fit
from mien.train.optim import SCORE, kept_row
from mien.train.recipe import Recipe, known_keys, vary, within
from mien.train.reports import tuned
from mien.train.run import CHECKPOINT, read_history
from mien.train.watch import OutOfTime, TrialWatch, Watcher

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import BaseTrial

HEARTBEAT = 30
"""Seconds between a running trial's signs of life; after four without, it is queued again."""
WHO = "process"
"""Attribute of a trial: the host, number and start of the process that runs it."""
LOCK_TIMEOUT = 120
"""Seconds a process waits for another's write to SQLite."""


def open_study(name: str, storage: str, *, seed: int) -> Study:
    """The study of that name, made where there is none.

    TPE proposes; the median pruner stops a trial that is behind the others after its first epoch.
    A trial whose process died is queued again, and goes on from its last checkpoint.

    Args:
        name: of the study.
        storage: any URL that Optuna takes; a database is what several processes share.
        seed: of the proposals of the process that starts the study; those that join differ.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it warns of every trial cut short
    backend: Any = storage
    if "://" in storage:
        engine = {"connect_args": {"timeout": LOCK_TIMEOUT}} if storage.startswith("sqlite") else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # heartbeats are marked as experimental since 2021
            backend = optuna.storages.RDBStorage(
                storage, engine_kwargs=engine, heartbeat_interval=HEARTBEAT,
                grace_period=4 * HEARTBEAT,
                heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(),
            )  # fmt: skip
    joins = name in optuna.get_all_study_names(backend)
    return optuna.create_study(
        study_name=name, storage=backend, load_if_exists=True, direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed + (os.getpid() if joins else 0)),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
    )  # fmt: skip


def search(
    recipe: Recipe,
    data: Dataset,
    folder: Path,
    study: Study,
    *,
    trials: int,
    budget: float | None,
    watch: Watcher,
    on_trial: Callable[[Study, Any], None],
    threads: int = 0,
) -> None:
    """Run trials until ``trials`` have finished, or ``budget`` seconds have passed.

    Each is judged on a grouped share of Training that it has not seen. A trial that the budget cuts
    short is queued again, and goes on from its last epoch when the study does. One whose values
    cannot be trained counts as pruned and says ``why``.

    Args:
        recipe: its ``[tune]`` section says what is searched.
        data: Training.
        folder: of the trials' runs.
        study: as ``open_study`` returns it.
        trials: ended ones in the study, of all its processes.
        budget: seconds for this process; None is no limit.
        watch: is told how each trial goes.
        on_trial: is called after each.
        threads: for this process's arithmetic; 0 leaves it to torch.

    Raises:
        ValueError: ``[tune]`` names no key of a recipe, or choices that it cannot take, or no
            trial could be trained.
    """
    from optuna import TrialPruned
    from optuna.study import MaxTrialsCallback
    from optuna.trial import TrialState

    check_space(recipe)
    if threads:
        torch.set_num_threads(threads)
    deadline = time.monotonic() + budget if budget else float("inf")
    longest = 60 * recipe.tune.minutes if recipe.tune.minutes else float("inf")

    running: list[Trial] = []

    def objective(trial: Trial) -> float:
        running[:] = [trial]
        place = str(trial.user_attrs.get("run") or _free(folder, f"trial-{trial.number:03d}"))
        trial.set_user_attr("run", place)
        trial.set_user_attr(WHO, [socket.gethostname(), os.getpid(), _started(os.getpid())])
        values = suggest(trial, recipe.tune.space)
        began = time.monotonic()
        if (folder / place / CHECKPOINT).exists():
            for row in read_history(folder / place):
                trial.report(row[SCORE], int(row["epoch"]))
        try:
            changed = trial_recipe(recipe, values, name=place)
            fit(
                changed, data, folder / place,
                watch=TrialWatch(trial, watch, deadline, began + longest),
            )  # fmt: skip
        except (FloatingPointError, ValueError) as error:
            trial.set_user_attr("why", str(error))
            raise TrialPruned from None
        finally:
            trial.set_user_attr("seconds", round(time.monotonic() - began, 1))
        score = float(kept_row(changed, read_history(folder / place))[SCORE])
        if math.isnan(score):  # Optuna would count it as failed, and ask for another for ever
            trial.set_user_attr("why", "no held-out score; raise tune.holdout")
            raise TrialPruned
        return score

    requeue_dead(study)
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    enough = MaxTrialsCallback(trials, states=ended)
    if sum(t.state in ended for t in study.trials) >= trials:
        return
    try:
        study.optimize(objective, timeout=budget, callbacks=[on_trial, enough])
    except (OutOfTime, KeyboardInterrupt) as stop:
        if running:
            study.enqueue_trial(running[0].params, user_attrs=running[0].user_attrs)
        if isinstance(stop, KeyboardInterrupt):
            raise
    done = [t for t in study.trials if t.state in ended]
    if len(done) >= trials and all("why" in t.user_attrs for t in done):
        raise ValueError(f"no trial could be trained; the last: {done[-1].user_attrs['why']}")


def requeue_dead(study: Study) -> None:
    """Queue again the trials that killed processes of this machine left as running.

    Those of other machines are found by their missing heartbeat.
    """
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        host, pid, started = trial.user_attrs.get(WHO, ("", 0, ""))
        if host != socket.gethostname() or (started and _started(pid) == started):
            continue
        try:
            study.tell(trial.number, state=TrialState.FAIL)
        except (UpdateFinishedTrialError, ValueError):
            continue  # another process was first
        study.enqueue_trial(trial.params, user_attrs=trial.user_attrs)


def _started(pid: int) -> str:
    """When a process began, in ticks since the system did; "" where it is gone.

    On systems without /proc it is only whether the process lives.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return ""
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"


def check_same(study: Study, recipe: Recipe, data: Dataset) -> None:
    """Check that the study's trials are comparable with ours; the first process defines them.

    Raises:
        ValueError: the study is of another recipe or of other data.
    """
    judged = recipe.tune.model_dump(mode="json", include={"epochs", "share", "holdout"})
    plain = recipe.model_dump(mode="json", exclude={"name": True, "tune": True, "data": {"path"}})
    ours = {"data": data.fingerprint(), "recipe": plain | {"tune": judged}}
    for key, value in ours.items():
        if study.user_attrs.get(key, value) != value:
            raise ValueError(
                f"study {study.study_name}: its trials are of "
                f"{'other data' if key == 'data' else 'another recipe'}; give --study OTHER"
            )
        study.set_user_attr(key, value)


def _free(folder: Path, name: str) -> str:
    """The name, or one with a number where an earlier study left a folder."""
    names = (f"{name}-{n}" if n else name for n in count())
    return next(each for each in names if not (folder / each).exists())


def trial_recipe(recipe: Recipe, changes: Mapping[str, Any], *, name: str) -> Recipe:
    """What one trial trains: the recipe with its changes, on the share that ``[tune]`` gives."""
    tune = recipe.tune
    epochs = tune.epochs or recipe.epochs
    reached = {
        "sizes": within(recipe.sizes, epochs),
        "transfer.freeze": within(recipe.transfer.freeze, epochs),
    }
    return vary(
        recipe,
        {"name": name, "epochs": epochs, **reached, "data.holdout": tune.holdout,
         "data.share": tune.share, "stopping.patience": 0, **changes},
    )  # fmt: skip


def check_space(recipe: Recipe) -> None:
    """Make sure that every key is a recipe's and every choice can be taken.

    Raises:
        ValueError: the first that is not.
    """
    from optuna.trial import FixedTrial

    known = known_keys()
    if not recipe.tune.space:
        raise ValueError(
            'tune.space is empty; name a recipe key, such as "optimizer.lr" = [1e-4, 1e-3]'
        )
    for key, choices in recipe.tune.space.items():
        if key not in known:
            raise ValueError(f"tune.space: {key!r} is not a key of a recipe")
        if isinstance(choices, dict) and not (
            {"low", "high"} <= set(choices) <= {"low", "high", "log", "step"}
        ):
            raise ValueError(f"tune.space: {key!r} takes low and high, and log or step")
        values = [choices["low"], choices["high"]] if isinstance(choices, dict) else choices
        if any(isinstance(value, list | dict) for value in values):
            raise ValueError(
                f"tune.space: {key!r} takes lists or tables, which a study cannot choose from; "
                "search another key, or train one recipe for each value"
            )
        try:
            suggest(FixedTrial({key: values[0] if values else None}), {key: choices})
        except ValueError as error:
            raise ValueError(f"tune.space: {key!r}: {error}") from None
        for value in values:
            trial_recipe(recipe, {key: value}, name="check")
            tuned(recipe, {key: value})


def suggest(trial: BaseTrial, space: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each key of the space."""
    changes: dict[str, Any] = {}
    for key, choices in space.items():
        if isinstance(choices, list):
            changes[key] = trial.suggest_categorical(key, choices)
        elif isinstance(choices["low"], int) and isinstance(choices["high"], int):
            step = {"step": choices["step"]} if "step" in choices else {}
            changes[key] = trial.suggest_int(
                key, choices["low"], choices["high"], log=bool(choices.get("log")), **step
            )
        else:
            changes[key] = trial.suggest_float(
                key, choices["low"], choices["high"], log=bool(choices.get("log")),
                step=choices.get("step"),
            )  # fmt: skip
    return changes
