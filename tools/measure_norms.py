"""Measure the batch norms' statistics of a weights file again, on Training as it was trained on.

    python tools/measure_norms.py recipes/vgg19_long.toml data/fer2013 models/vgg19

For a model whose statistics were lost (float16 ends at 65,504, and a variance can be larger): the
mean over 60 batches, changed as the recipe changes them, in the arithmetic that it trains in here.
Rewrites the file, floats as float16 where they fit, and prints what the label head scores on
the test split.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import nn

from mien.data.dataset import Dataset, load
from mien.train import starts, weights
from mien.train.fit import batch_maker
from mien.train.loop import choose_precision, predict
from mien.train.network import Network
from mien.train.recipe import Recipe
from mien.train.recipe import load as load_recipe
from mien.train.samples import batches, from_dataset, generator, trainable

BATCHES = 60


@torch.no_grad()
def measure(network: Network, recipe: Recipe, data: Dataset) -> None:
    """Replace the statistics of all batch norms."""
    samples = from_dataset(trainable(data.of("train")))
    make = batch_maker(recipe, samples)
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the plain mean over batches
            module.train()
    order = batches(len(samples), recipe.batch_size, seed=recipe.seed, epoch=0)
    for number, rows in zip(range(BATCHES), order, strict=False):
        batch = make.make(
            rows, generator(recipe.seed, 0, number), size=recipe.network.size,
            shard=slice(0, len(rows)),
        )  # fmt: skip
        network(batch.grey)


def main() -> None:
    """Measure, score, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    given = parser.parse_args()
    recipe = load_recipe(given.recipe, ["targets.teacher="])  # it is not asked here
    path = weights.find(str(given.weights))
    found = weights.read(path)
    network = starts.blank(
        recipe.network, starts.Start(found.origin, None, None, found.mean, found.std)
    )
    network.load_state_dict(found.state, strict=False)
    data = load(given.data)
    test = data.of("test")
    bf16 = choose_precision(recipe.precision) == "bf16"
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        measure(network, recipe, data)
        label, _ = predict(network, torch.from_numpy(test.images), size=recipe.network.size)
    right = (label.argmax(1) == torch.from_numpy(test.emotion)).float().mean()
    print(f"label, flips averaged: {right:.1%} of {len(test):,}")
    weights.write(network, path, facts={"origin": found.origin}, half=True)


if __name__ == "__main__":
    main()
