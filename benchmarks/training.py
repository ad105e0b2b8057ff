"""How fast `mien train` is against the loop that most people write.

    python -m benchmarks.training data/fer2013 --networks vgg19_bn:44 efficientnet_b0:48

Both sides train the same network at the same size on the same pictures. The reference reads PNG
files through ImageFolder and a DataLoader with two workers, changes each with torchvision's
transforms, computes in float32 with the default allocator, and steps an AdamW. mien runs its own
loop with what its recipes use. Each side runs in a process of its own, in turns; the table shows
the median of the turns in images a second, and the ratio. `--try` adds mien with one thing changed.
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

OnBatch = Callable[[int], None]
WARM_UP = 2
TRIES = {
    "default allocator": {"allocator": False},
    "contiguous layout": {"layout": "contiguous"},
    "channels_last layout": {"layout": "channels_last"},
    "bf16": {"precision": "bf16"},
    "float32": {"precision": "float32"},
    "fused optimiser off": {"fused": False},
    "torch.compile": {"compile": True},
    "stock depthwise": {"depthwise": False},
    "stock 1x1": {"pointwise": False},
    "stock norms": {"norms": False},
    "tiles": {"dense": "winograd"},
    "unfolded": {"dense": "unfolded"},
    "direct convolutions": {"dense": "stock"},
    "small pages": {"huge": False},
}


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


def reference(on_batch: OnBatch, *, data: Path, trunk: str, size: int, batch: int) -> None:
    """The plain loop."""
    import torch
    import torch.nn.functional as F
    from mien.train.depthwise import Depthwise, DepthwiseSame
    from mien.train.norms import NormAct
    from mien.train.pointwise import Pointwise
    from mien.train.unfolded import Unfolded
    from mien.train.winograd import Winograd
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from mien.train.network import Network, build

    steps = transforms.Compose(
        [
            transforms.Grayscale(3),
            transforms.Resize((size, size)),
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
    network: Network = build(trunk).to(memory_format=torch.contiguous_format)
    ours = (Depthwise, DepthwiseSame, NormAct, Pointwise, Unfolded, Winograd)
    for module in network.modules():
        if isinstance(module, ours):
            module.__class__ = type(module).__bases__[0]  # the stock layer
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    network.train()
    while True:
        for images, label in loader:
            pooled = network.trunk.forward_features(images).mean(dim=(2, 3))
            loss = F.cross_entropy(network.label(pooled), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            on_batch(len(label))


def ours(
    on_batch: OnBatch, *, data: Path, trunk: str, size: int, batch: int, options: dict[str, Any]
) -> None:
    """The loop of `mien train`: both heads, averaging, made non-faces."""
    import torch
    from accelerate import Accelerator
    from timm.utils import ModelEmaV3

    from mien.data.dataset import load
    from mien.train import depthwise, norms, optim, pointwise, precision, unfolded, winograd
    from mien.train import network as networks
    from mien.train.fit import batch_maker
    from mien.train.loop import train_epoch
    from mien.train.recipe import parse
    from mien.train.samples import batches, from_dataset, trainable

    keys = ("precision", "compile")
    recipe = parse(
        {
            "precision": "auto",
            **{key: options[key] for key in keys if key in options},
            "batch_size": batch, "network": {"trunk": trunk, "size": size},
            "optimizer": {"lr": 1e-4, "fused": options.get("fused", True)},
        }
    )  # fmt: skip
    samples = from_dataset(trainable(load(data).of("train")))
    for name, layers in (("norms", norms), ("depthwise", depthwise), ("pointwise", pointwise)):
        if not options.get(name, True):
            layers.speed_up = lambda trunk: None
    if "dense" in options:
        winograd.pays = lambda: options["dense"] == "winograd"
        unfolded.pays = lambda: options["dense"] == "unfolded"
    network = networks.build(trunk)
    if "layout" in options:
        network.layout = getattr(torch, {"contiguous": "contiguous_format"}.get(
            options["layout"], options["layout"]))  # fmt: skip
        network.to(memory_format=network.layout)
    arithmetic = precision.choose(recipe.precision)
    accelerator = Accelerator(mixed_precision="no")
    optimizer = optim.build_optimizer(network, **recipe.optimizer.model_dump(exclude={"clip"}))
    ema = ModelEmaV3(network, decay=0.998)
    model = torch.compile(network) if recipe.compile else network
    train_epoch(
        model, batches(len(samples), batch, seed=0, epoch=0), make=batch_maker(recipe, samples),
        accelerator=accelerator, optimizer=optimizer, set_step=lambda number: None,
        after_step=partial(ema.update, network), weights=(1.0, 1.0), clip=0.0, size=size,
        seed=0, epoch=0, bf16=arithmetic == "bf16", on_batch=on_batch,
    )  # fmt: skip


def worker(arguments: argparse.Namespace) -> None:
    trunk, size = arguments.networks[0].split(":")
    options = json.loads(arguments.worker)
    side = options.pop("side")
    options.pop("allocator", None)
    loop = reference if side == "reference" else partial(ours, options=options)
    run = partial(
        loop, data=arguments.data, trunk=trunk, size=int(size), batch=arguments.batches[0]
    )
    print(json.dumps(timed(run, seconds=arguments.seconds)), flush=True)


def measure(
    arguments: argparse.Namespace, network: str, batch: int, options: dict[str, Any]
) -> float:
    """Images a second of one side in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k not in ALLOCATOR}
    if options["side"] == "mien" and options.get("allocator", True):
        environment |= ALLOCATOR
    if not options.get("huge", True):
        environment.pop("GLIBC_TUNABLES")
    command = [
        sys.executable, __file__, str(arguments.data), "--networks", network, "--batches",
        str(batch), "--seconds", str(arguments.seconds), "--worker", json.dumps(options),
    ]  # fmt: skip
    out = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return float(json.loads(out.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--networks", nargs="+", default=["vgg19_bn:44", "efficientnet_b0:48"])
    parser.add_argument("--batches", nargs="+", type=int, default=[64, 128])
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--try", dest="tries", nargs="*", choices=list(TRIES), default=[])
    parser.add_argument("--no-reference", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments)
        return
    sides = {} if arguments.no_reference else {"reference": {"side": "reference"}}
    sides |= {"mien": {"side": "mien"}}
    sides |= {f"mien, {name}": {"side": "mien", **TRIES[name]} for name in arguments.tries}
    print("| network:pixels | batch | side | images/s | ratio |\n| --- | --- | --- | --- | --- |")
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
