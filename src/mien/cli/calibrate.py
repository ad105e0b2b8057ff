"""``mien calibrate``: a model's scores fitted to other pictures or other people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mien.cli.plain import say, show
from mien.cli.progress import Stages

LEAST, PLENTY = 50, 500


def calibrate(
    model: Annotated[str, typer.Argument(help="A model's name or folder, or a finished run.")],
    data: Annotated[Path, typer.Argument(help="Data folder with labels, and votes if you can.")],
    out: Annotated[Path, typer.Option(help="The new bundle's folder.")],
    split: Annotated[str, typer.Option(help="Which split of the data to fit to.")] = "valid",
    name: Annotated[str | None, typer.Option(help="The bundle's name.")] = None,
    draws: Annotated[int, typer.Option(help="Resamples behind each interval.", min=10)] = 1000,
) -> None:
    """Fit a model's scores to your own pictures and annotators: a minute, no training.

    Other people choose some emotions more often and others less. The label gets a temperature, the
    votes a factor and an offset for each option. The table says what this brings on pictures that
    it was not fitted to. Give pictures that nothing else is judged on.

    Example: mien calibrate default data/mine --out models/mine
    """
    from mien.bundle import load as load_bundle
    from mien.data.dataset import load
    from mien.measure.calibrate import fit
    from mien.measure.evaluate import calibration
    from mien.measure.tables import calibration as as_table
    from mien.train.ship.recalibrate import recalibrate
    from mien.workflows.evaluation import bundle_of
    from mien.workflows.judging import not_trained_on
    from mien.workflows.truth import classify

    bundle = load_bundle(bundle_of(model, data, tell=say))
    dataset = load(data)
    part = dataset.of(split)
    if len(part) < LEAST:
        raise ValueError(
            f"{data}: {len(part)} pictures in split {split!r} are too few to calibrate by; "
            f"give {LEAST} at least, better some {PLENTY}"
        )
    if not len(not_trained_on(bundle.card, part)):
        raise ValueError(
            f"{data}: {bundle.card.name} was trained on its split {split!r}, where it is too sure; "
            "give pictures that are new to it"
        )
    with Stages() as stages:
        table, _ = classify(str(bundle.path), dataset, split, progress=stages)
        stages("calibrating", 0, 0)
        found = calibration(table, draws=draws)
    show(as_table({"calibration": found}), Console())
    made = recalibrate(bundle, fit(table), out, name=name or out.name)
    if len(part) < PLENTY:
        say(f"fitted to {len(part)} pictures; some {PLENTY} would give more")
    if not table.has_votes.any():
        say("nobody voted on these pictures: the votes stay as they were")
    say(f"{made.path}: try: mien predict --model {made.path} PHOTO")
