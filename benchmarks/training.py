"""How fast `mien train` is: against a plain loop, with and without its kernels, and beside others.

    python -m benchmarks.training                      # kernels "auto" against "stock"
    python -m benchmarks.training --busy --networks face_mobilenet
    python -m benchmarks.training data/fer2013 --reference --networks vgg19_bn:44

All sides train the same network at the same size on the same pictures, each in a process of its
own, in turns; the table shows the median of the turns in images a second, and the ratio to the
first. Without a data folder noise is trained on, which costs the same. The plain loop reads PNG
files through ImageFolder and a DataLoader with two workers, changes each with torchvision's
transforms, computes in float32 with the default allocator, and steps an AdamW. `--busy` trains
alone and beside one process that keeps a core busy, with OpenMP's threads waiting awake (as torch
has them), asleep, and asleep after some microseconds (as mien has them). `--try` adds mien with
one thing changed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from mien.cli.train import ALLOCATOR
from mien.train import WAITING

OnBatch = Callable[[int], None]
WARM_UP = 2
NOISE = 1024
SHIPPED: dict[str, dict[str, Any]] = {
    "face_mobilenet": {
        "trunk": "mobilenetv1_100", "trunk_args": {"pad_type": "same"}, "size": 96, "crop": 42,
        "widths": {"blocks.0": 48, "blocks.1": 96, "blocks.2": 192, "blocks.3": 320},
    },
    "face_resnet": {"trunk": "face_resnet29", "size": 112},
    "efficientnet_lite0": {"trunk": "tf_efficientnet_lite0", "size": 112},
    "vgg19": {"trunk": "vgg19_bn", "stem": "no-last-pool", "size": 48},
}  # fmt: skip
"""The networks of the bundles that ship, and VGG19; any other is TRUNK:PIXELS."""
TRIES = {
    "default allocator": {"allocator": False},
    "contiguous layout": {"layout": "contiguous_format"},
    "bf16": {"precision": "bf16"},
    "float32": {"precision": "float32"},
    "fused optimiser off": {"fused": False},
    "torch.compile": {"compile": True},
    "waiting awake": {"asleep": False},
    "sleeping at once": {"spin": False},
    "small pages": {"huge": False},
}
WAYS: dict[str, dict[str, Any]] = {
    "threads wait awake": {"asleep": False},
    "sleep at once": {"spin": False},
    "sleep soon": {},
}


def settings(network: str) -> dict[str, Any]:
    """The recipe's section of a network by its name here, or TRUNK:PIXELS."""
    if network in SHIPPED:
        return SHIPPED[network]
    trunk, _, size = network.partition(":")
    if not size.isdecimal():
        raise SystemExit(f"{network}: give TRUNK:PIXELS, or one of {', '.join(SHIPPED)}")
    return {"trunk": trunk, "size": int(size)}


def timed(run: Callable[[OnBatch], None], *, seconds: float) -> float:
    """Images a second of a loop that tells each batch's size, after a warm-up."""
    seen, images, began = 0, 0, 0.0

    def on_batch(count: int) -> None:
        nonlocal seen, images, began
        seen += 1
        if seen <= WARM_UP:
            began = time.perf_counter()
            return
        images += count
        if time.perf_counter() - began >= seconds:
            raise StopIteration

    with suppress(StopIteration):
        run(on_batch)
    return images / (time.perf_counter() - began)


def reference(on_batch: OnBatch, *, data: Path | None, network: str, batch: int) -> None:
    """The plain loop."""
    if data is None:
        raise SystemExit("--reference reads files: give a data folder")
    import torch
    import torch.nn.functional as F
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from mien.train.sections import Network as Settings
    from mien.train.starts import Start, blank

    steps = transforms.Compose(
        [
            transforms.Grayscale(3),
            transforms.Resize((settings(network)["size"],) * 2),
            transforms.RandomHorizontalFlip(),
            transforms.RandomAffine(10, translate=(0.12, 0.12), scale=(0.85, 1.15)),
            transforms.ColorJitter(0.2, 0.2),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            transforms.RandomErasing(0.5),
        ]
    )
    loader = DataLoader(
        ImageFolder(str(data / "train"), steps), batch, shuffle=True, num_workers=2, drop_last=True
    )
    trained = blank(Settings(**settings(network)), Start("random"))
    trained.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-4)
    trained.train()
    while True:
        for images, label in loader:
            pooled = trained.trunk.forward_features(images).mean(dim=(2, 3))
            loss = F.cross_entropy(trained.label(pooled), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            on_batch(len(label))


def ours(
    on_batch: OnBatch, *, data: Path | None, network: str, batch: int, options: dict[str, Any]
) -> None:
    """The loop of `mien train`: both heads, averaging, made non-faces."""
    import torch

    from mien.data.dataset import load
    from mien.train.fit import prepare_epoch, start
    from mien.train.loop import train_epoch
    from mien.train.recipe import parse
    from mien.train.watch import Silent

    keys = ("precision", "compile", "kernels")
    recipe = parse(
        {
            "precision": "auto", **{key: options[key] for key in keys if key in options},
            "batch_size": batch, "network": settings(network),
            "optimizer": {"lr": 1e-4, "fused": options.get("fused", True)},
        }
    )  # fmt: skip
    state, _ = start(recipe, noise() if data is None else load(data).of("train"), Silent())
    if "layout" in options:
        state.network.layout = getattr(torch, options["layout"])
        state.network.to(memory_format=state.network.layout)
    prepare_epoch(state)
    while True:
        train_epoch(state, on_batch=on_batch)


def noise() -> Any:
    """Pictures of nothing, some of each emotion."""
    import numpy as np

    from mien.data.dataset import Dataset
    from mien.emotions import BALLOT, EMOTIONS

    rng = np.random.default_rng(0)
    return Dataset(
        id=np.array([f"{i}.png" for i in range(NOISE)]),
        images=rng.integers(0, 256, (NOISE, 48, 48)).astype(np.uint8),
        emotion=np.arange(NOISE) % len(EMOTIONS),
        votes=rng.integers(0, 4, (NOISE, len(BALLOT))) + 1,
        split=np.full(NOISE, "train"), group=np.arange(NOISE),
    )  # fmt: skip


def worker(arguments: argparse.Namespace) -> None:
    options = json.loads(arguments.worker)
    if options["side"] == "reference" or not options.get("asleep", True):
        for name in WAITING:  # as torch finds it without mien
            os.environ.pop(name, None)
    elif not options.get("spin", True):
        os.environ["GOMP_SPINCOUNT"] = "0"
    loop = reference if options["side"] == "reference" else partial(ours, options=options)
    run = partial(
        loop, data=arguments.data, network=arguments.networks[0], batch=arguments.batches[0]
    )
    print(json.dumps(timed(run, seconds=arguments.seconds)), flush=True)


def measure(
    arguments: argparse.Namespace, network: str, batch: int, options: dict[str, Any]
) -> float:
    """Images a second of one side in a process of its own, beside a busy one where asked."""
    environment = {k: v for k, v in os.environ.items() if k not in ALLOCATOR}
    if options["side"] == "mien" and options.get("allocator", True):
        environment |= ALLOCATOR
    if not options.get("huge", True):
        environment.pop("GLIBC_TUNABLES")
    given = [] if arguments.data is None else [str(arguments.data)]
    command = [
        sys.executable, __file__, *given, "--networks", network, "--batches", str(batch),
        "--seconds", str(arguments.seconds), "--worker", json.dumps(options),
    ]  # fmt: skip
    busy = None
    if options.get("busy"):
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        out = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    finally:
        if busy is not None:
            busy.kill()
            busy.wait()
    return float(json.loads(out.stdout.splitlines()[-1]))


def sides_of(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What is measured, under the name of its row."""
    mien = {"side": "mien"}
    if arguments.busy:
        return {
            f"{place}, {name}": mien | options | {"busy": busy}
            for place, busy in (("alone", False), ("beside a busy process", True))
            for name, options in WAYS.items()
        }
    sides = {"plain loop": {"side": "reference"}} if arguments.reference else {}
    sides |= {"mien, stock kernels": mien | {"kernels": "stock"}, "mien": mien}
    return sides | {f"mien, {name}": mien | TRIES[name] for name in arguments.tries}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--networks", nargs="+", default=list(SHIPPED))
    parser.add_argument("--batches", nargs="+", type=int, default=[64])
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--try", dest="tries", nargs="*", choices=list(TRIES), default=[])
    parser.add_argument("--reference", action="store_true", help="also measure the plain loop")
    parser.add_argument("--busy", action="store_true", help="alone and beside a busy process")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments)
        return
    sides = sides_of(arguments)
    print("| network | batch | side | images/s | ratio |\n| --- | --- | --- | --- | --- |")
    for network in arguments.networks:
        for batch in arguments.batches:
            speeds: dict[str, list[float]] = {name: [] for name in sides}
            for _ in range(arguments.turns):
                for name, options in sides.items():
                    speeds[name].append(measure(arguments, network, batch, options))
            middle = {name: statistics.median(values) for name, values in speeds.items()}
            base = next(iter(middle.values()))
            for name, speed in middle.items():
                row = (network, batch, name, f"{speed:.1f}", f"{speed / base:.2f}")
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
