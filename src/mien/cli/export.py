"""``mien export``: finished runs in, a bundle out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


class Store(StrEnum):
    """How a bundle's weights are stored."""

    FLOAT32 = "float32"
    FP16 = "fp16"
    INT8 = "int8"


def export(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs; several make an ensemble.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder.")],
    data: Annotated[Path, typer.Option(help="Data folder; its train split gives int8 its ranges.")],
    weight: Annotated[list[float] | None, typer.Option(help="Of each run, in order.")] = None,
    flip: Annotated[bool, typer.Option(help="Average mirror views inside the graph.")] = False,
    weights: Annotated[Store, typer.Option(help="Stored weights.")] = Store.FLOAT32,
    calibrate: Annotated[
        Path | None, typer.Option(help="Uncalibrated predictions.npz to fit temperatures to.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The bundle's name.")] = None,
) -> None:
    """Export finished runs as one bundle: one ONNX graph and its card.

    Example: mien export runs/face_mobilenet --out models/mine --data data/fer2013 --flip
    """
    from mien.data.dataset import load
    from mien.infer.crop import FRAME
    from mien.measure.predictions import Predictions
    from mien.train.ship import ship

    shares = weight or [1.0] * len(runs)
    if len(shares) != len(runs):
        raise ValueError(f"{len(runs)} runs but {len(shares)} weights; give one --weight a run")
    train = load(data).of("train")
    bundle = ship(
        dict(zip(runs, shares, strict=True)), out, name=name or out.name, flip=flip,
        weights=weights.value, crops=train.images[:: max(1, len(train) // 2000)],
        calibrate=None if calibrate is None else Predictions.load(calibrate), frame=FRAME,
    )  # fmt: skip
    size = bundle.graph.stat().st_size / 1e6
    Console().print(f"{bundle.path}: {size:.1f} MB; try: mien predict --model {bundle.path} PHOTO")
