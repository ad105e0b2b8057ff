"""``mien calibrate``: a model's scores fitted to other pictures or other people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console

from mien.cli.plain import say, show
from mien.cli.progress import Stages

if TYPE_CHECKING:
    from mien.bundle import Card
    from mien.data.dataset import Dataset

LEAST_PICTURES, ENOUGH_PICTURES = 50, 500


def calibrate(
    model: Annotated[str, typer.Argument(help="A model's name or folder, or a finished run.")],
    data: Annotated[
        Path, typer.Argument(help="A folder of labelled pictures; votes.csv in it if you can.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the new model.")],
    split: Annotated[
        str | None,
        typer.Option(help="Split to fit to; default: all pictures but those of test."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the new model.")] = None,
    draws: Annotated[
        int, typer.Option(help="Bootstrap resamples of each interval.", min=10)
    ] = 1000,
    force: Annotated[
        bool, typer.Option("--force", help="Write the model even if nothing improves.")
    ] = False,
) -> None:
    """Fit a model's scores to your own pictures and annotators: a minute, no training.

    Other people choose some emotions more often and others less. The label gets a temperature, the
    votes a factor and an offset for each option; both are flattened for small and blurred faces, as
    far as shrunk copies of the pictures ask for. All pictures are used, in five folds: the tables
    show the effect on pictures that each fold was not fitted to. What does not improve there is not
    changed; if nothing improves, nothing is written. Pictures that the model was trained on are
    left out. Keep other pictures to evaluate the result.

    Example: mien calibrate default photos/mine --out models/mine
    """
    from mien.bundle import load as load_bundle
    from mien.data.dataset import load
    from mien.measure.calibrate import fit, gains
    from mien.measure.evaluate import calibration
    from mien.measure.small_faces import better as is_better
    from mien.measure.small_faces import changes, fit_all
    from mien.measure.tables import calibration as as_table
    from mien.measure.tables import small_faces
    from mien.mix import Mix
    from mien.train.ship.recalibrate import recalibrate
    from mien.workflows.evaluation import bundle_of
    from mien.workflows.truth import classify, harder

    bundle = load_bundle(bundle_of(model, data, tell=say))
    part, called = _chosen(bundle.card, load(data), split, data)
    if len(part) < LEAST_PICTURES:
        raise ValueError(
            f"{data}: {len(part)} pictures{called} are too few to calibrate on; give at least "
            f"{LEAST_PICTURES}, better some {ENOUGH_PICTURES}"
        )
    with Stages() as stages:
        unsplit = replace(part, split=np.full(len(part), ""))
        table, _ = classify(str(bundle.path), unsplit, "", progress=stages)
        table = replace(table, split=split or "")
        copies = []
        if table.known.any():
            copies = harder(str(bundle.path), unsplit, "", table, progress=stages)
        stages("calibrating", 0, 0)
        found = calibration(table, draws=draws)
        better = gains(found)
        heads = [head for head, gained in better.items() if gained or force]
        mix = Mix.of_card(bundle.card.expression)
        told = changes(copies, mix, heads=heads) if copies else []
    show(as_table({"calibration": found}), Console())
    if told:
        show(small_faces(told), Console())
    detail = bool(told) and (is_better(told) or force)
    if not (any(better.values()) or detail or force):
        say(f"no gain, nothing written: use {model} as it is, or --force to write it all the same")
        return
    fitted = fit_all(copies, mix, heads=heads) if detail else fit(table, heads=heads)
    made = recalibrate(bundle, fitted, out, name=name or out.name)
    for head, gained in better.items():
        if not gained:
            done = "written all the same" if force else "left as they were"
            say(f"no gain for the {head} scores: {done}")
    if len(part) < ENOUGH_PICTURES:
        say(f"fitted to {len(part)} pictures; some {ENOUGH_PICTURES} would give more")
    if not table.has_votes.any():
        say("nobody voted on these pictures: the votes stay as they were")
    say(f"{made.path}: try: mien predict --model {made.path} PHOTO")


def _chosen(card: Card, data: Dataset, split: str | None, folder: Path) -> tuple[Dataset, str]:
    """The pictures to fit to, and how to call them in a message.

    Raises:
        ValueError: no such split, or the model was trained on all of them.
    """
    from mien.workflows.judging import not_trained_on

    if split is not None:
        part, called = data.of(split), f" in split {split!r}"
    else:
        others = data.split != "test"
        part, called = (data.take(others) if others.any() else data), ""
    new = not_trained_on(card, part)
    if not len(new):
        what = f"its split {split!r}" if split else "these pictures"
        raise ValueError(
            f"{folder}: {card.name} was trained on {what}, where its scores are too confident; "
            "give pictures that are new to it"
        )
    if len(new) < len(part):
        say(f"{len(part) - len(new):,} pictures that {card.name} was trained on are left out")
    return new, called
