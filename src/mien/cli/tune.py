"""``mien tune``: search over recipe keys."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from mien.cli.plain import say
from mien.cli.train import What, keep_pages, read_data, read_recipe
from mien.cores import cores


def tune(
    what: What,
    trials: Annotated[
        int, typer.Option(help="Stop after this many finished trials in total.", min=1)
    ] = 20,
    budget: Annotated[str | None, typer.Option(help="Stop after this long: 90s, 45m, 2h.")] = None,
    study: Annotated[str | None, typer.Option(help="Its name; the recipe's by default.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="Database URL; SQLite in the study's folder by default.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes to run side by side.", min=1)] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder of the report.")] = None,
) -> None:
    """Search learning rate, batch size, optimiser, or what the recipe's [tune] section names.

    Run it again to resume; run it in another terminal, or on another machine with --storage, to
    join in. Trials are judged on a tenth of Training that they have not seen. Writes report.md,
    plots and best.toml, which mien train takes.

    Example: mien tune small data/fer2013 --trials 20 --budget 45m
    """
    keep_pages()
    from mien.cli.progress import Bar
    from mien.train import reports as findings
    from mien.train import tune as tuning
    from mien.train.recipe import check_name
    from mien.train.run import runs_folder
    from mien.train.watch import Stopped
    from mien.workflows.plan import to_seconds

    seconds = None if budget is None else to_seconds(budget)
    recipe = read_recipe(what)
    tuning.check_space(recipe)
    name = check_name(study or f"tune-{recipe.name}")
    folder = runs_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    opened = tuning.open_study(
        name, storage or f"sqlite:///{folder / 'study.db'}", seed=recipe.seed
    )
    threads = max(1, cores() // jobs)
    shared = os.environ | {"OMP_NUM_THREADS": str(threads)}
    data = read_data(recipe, hold=False).of("train")
    tuning.check_same(opened, recipe, data)
    console = Console()
    bar = Bar(console)

    def stop(number: int, frame: Any) -> None:
        raise Stopped(number)

    def on_trial(of: Any, trial: Any) -> None:
        score = trial.value
        values = "  ".join(f"{k} {findings.text_of(v)}" for k, v in trial.params.items())
        shown = "–" if score is None else f"{100 * score:.1f} %"
        why = trial.user_attrs.get("why", "")
        say(f"trial {trial.number} {trial.state.name.lower()} {shown}  {values}  {why}", console)

    helpers: list[subprocess.Popen[bytes]] = []
    before = signal.signal(signal.SIGTERM, stop)  # between trials too, and while helpers end
    try:
        helpers += [subprocess.Popen(_alone(sys.argv), env=shared) for _ in range(jobs - 1)]
        tuning.search(
            recipe, data, folder / "trials", opened, trials=trials, budget=seconds, watch=bar,
            on_trial=on_trial, threads=threads if jobs > 1 else 0,
        )  # fmt: skip
        _wait(helpers)
    except BaseException:
        for helper in helpers:
            helper.terminate()
        _wait(helpers)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        bar.close()
        written = findings.report(opened, recipe, out or folder)
    say(f"{findings.summary(opened)}\nwrote " + ", ".join(str(p) for p in written), console)


def _wait(helpers: list[subprocess.Popen[bytes]]) -> None:
    for helper in helpers:
        helper.wait()


def _alone(arguments: list[str]) -> list[str]:
    """The same command as a single process."""
    kept, skip = [], False
    for word in arguments[1:]:
        if skip or word == "--jobs" or word.startswith("--jobs="):
            skip = word == "--jobs"
            continue
        kept.append(word)
    return [sys.executable, "-m", "mien", *kept]
