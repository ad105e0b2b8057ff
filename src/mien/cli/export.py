"""``mien export`` and ``soup``: finished runs in; a bundle, or the mean of their weights, out."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mien.cli.plain import say
from mien.cli.progress import Stages


class Store(StrEnum):
    """How a bundle's weights are stored."""

    FLOAT32 = "float32"
    FP16 = "fp16"
    INT8 = "int8"


def export(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Finished runs, by name or folder, or the file of mien ensemble; several make "
            "an ensemble."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The bundle's folder.")],
    data: Annotated[Path, typer.Option(help="Data folder; its train split gives int8 its ranges.")],
    weight: Annotated[list[float] | None, typer.Option(help="Of each run, in order.")] = None,
    flip: Annotated[bool, typer.Option(help="Average mirror views inside the graph.")] = False,
    weights: Annotated[Store, typer.Option(help="Stored weights.")] = Store.FLOAT32,
    calibrate: Annotated[
        Path | None, typer.Option(help="Uncalibrated predictions.npz to calibrate by.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The bundle's name.")] = None,
    carry: Annotated[
        bool,
        typer.Option(help="Add the run's weights (fp16): later trainings start from them by name."),
    ] = False,
) -> None:
    """Export finished runs as one bundle: one ONNX graph and its card.

    Example: mien export runs/face_mobilenet --out models/mine --data data/fer2013 --flip

    Example: mien export ensemble.json --out models/joined --data data/fer2013 --weights fp16
    """
    from mien.bundle import WEIGHTS
    from mien.data.dataset import load
    from mien.infer.crop import FRAME
    from mien.measure.predictions import Predictions
    from mien.train.samples import in_splits
    from mien.train.ship import shipping

    members = weights_of(runs, weight)
    if carry and len(members) > 1:
        raise ValueError("--carry: an ensemble has no weights to start from; export one run")
    train = in_splits(load(data)).of("train")
    with Stages() as stages:
        stages("exporting", 0, 0)
        bundle = shipping.ship(
            members, out, name=name or out.name, flip=flip,
            weights=weights.value, crops=train.images[:: max(1, len(train) // 2000)],
            calibrate=None if calibrate is None else Predictions.load(calibrate), frame=FRAME,
        )  # fmt: skip
    (bundle.path / WEIGHTS).unlink(missing_ok=True)  # those of an earlier export to this folder
    if carry:
        shipping.carry(next(iter(members)), bundle.path)
    size = bundle.graph.stat().st_size / 1e6
    say(f"{bundle.path}: {size:.1f} MB; try: mien predict --model {bundle.path} PHOTO")


def soup(
    runs: Annotated[list[str], typer.Argument(help="Two or more finished runs of one network.")],
    out: Annotated[str, typer.Option(help="The new run's name.")],
    weight: Annotated[list[float] | None, typer.Option(help="Of each run, in order.")] = None,
) -> None:
    """Average the weights of runs with the same start (a model soup).

    Example: mien soup first second --out mean
    """
    from mien.train.recipe import check_name
    from mien.train.run import runs_folder
    from mien.train.ship.shipping import soup as mean

    folder = runs_folder() / check_name(out)
    mean(weights_of(runs, weight), folder)
    say(f"{folder}: the mean of {', '.join(runs)}; mien export {out} makes a bundle of it")


def weights_of(names: list[str], weight: list[float] | None) -> dict[Path, float]:
    """The runs that the command line names, each with its weight in the average.

    Raises:
        ValueError: weights that fit no runs, or a file that `mien ensemble` did not write.
        FileNotFoundError: no such run.
    """
    from mien.train.reports import find_run

    if len(names) == 1 and names[0].endswith(".json"):
        if weight:
            raise ValueError(f"{names[0]}: holds the weights already; leave --weight out")
        try:
            members = json.loads(Path(names[0]).read_text(encoding="utf-8"))["members"]
            names, weight = list(members), [float(w) for w in members.values()]
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{names[0]}: not what `mien ensemble` writes") from None
    weight = weight or [1.0] * len(names)
    if len(weight) != len(names):
        raise ValueError(f"{len(names)} runs but {len(weight)} weights; give one --weight per run")
    if min(weight) < 0 or not 0 < sum(weight) < math.inf:
        raise ValueError(f"weights {weight}: none may be below 0, and one must be above")
    return {find_run(name): w for name, w in zip(names, weight, strict=True)}
