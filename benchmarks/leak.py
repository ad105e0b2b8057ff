"""What copies across a random 8:1:1 split are worth, against a split that keeps them together.

    python -m benchmarks.leak recipes/small.toml data/fer2013 [epochs=8]

Splits Training at random, as the student project did, and trains the recipe on eight tenths. The
grouped split has the same test pictures and as many to train on, none of which is a copy, exact or
near, of a test picture: those leave, and validation pictures take their places. So both networks
answer the same pictures and the difference is paired; intervals are of 1,000 resamplings of groups
of copies. Stopped, it goes on where it was; further arguments override the recipe.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from benchmarks.paired import show
from numpy.typing import NDArray

from mien.cli.progress import Bar
from mien.cli.train import keep_pages
from mien.data.dataset import Dataset, load_folder
from mien.data.duplicates import near_copies
from mien.data.groups import NOWHERE, group_copies
from mien.measure.bootstrap import Array

Rows = NDArray[np.int64]


def groups(data: Dataset) -> Rows:
    """(N,) equal for exact and near copies."""
    first = np.unique(data.group, return_index=True)[1]
    pairs = near_copies(lambda rows: data.images[rows], first).pairs
    everyone, anywhere = np.ones(len(data), np.bool_), np.full(len(data), NOWHERE)
    return group_copies(pairs, everyone, anywhere, pixels=data.group)[0]


def splits(group: Rows, seed: int) -> tuple[Rows, Rows, Rows]:
    """Rows of the random training set, of one without copies of test pictures, and of the test."""
    order = np.random.default_rng(seed).permutation(len(group))
    tenth = len(group) // 10
    test, rest = order[:tenth], order[tenth:]
    train = rest[: len(rest) - tenth]
    apart = rest[~np.isin(group[rest], group[test])]
    return train, apart[: len(train)], test


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("overrides", nargs="*", help="key=value")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    given = parser.parse_args()
    keep_pages()
    from rich.console import Console

    from mien.train.cross_validation import score_unseen
    from mien.train.recipe import load as load_recipe
    from mien.train.recipe import vary
    from mien.train.run import runs_folder

    recipe = load_recipe(given.recipe, given.overrides)
    data = load_folder(given.data).of("train")
    group = groups(data)
    bar = Bar(Console(stderr=True))
    right: dict[str, list[Array]] = {"random": [], "grouped": []}
    tested, leaked = [], []
    for seed in given.seeds:
        *trains, test = splits(group, seed)
        out = data.take(test)
        tested.append(group[test])
        leaked.append(np.isin(group[test], group[trains[0]]))
        for kind, train in zip(right, trains, strict=True):
            name = f"{recipe.name}-{kind}-split-{seed}"
            changed = vary(recipe, {"name": name, "seed": seed})
            scores = score_unseen(changed, data.take(train), out, runs_folder() / name, watch=bar)
            right[kind].append((scores[0].argmax(1) == out.emotion).astype(np.float64))
    bar.close()

    lines = {kind: np.concatenate(parts) for kind, parts in right.items()}
    lines["random minus grouped"] = lines["random"] - lines["grouped"]
    copied = np.concatenate(leaked)
    print(
        f"{len(given.seeds)} random splits of {len(data):,} pictures: {len(trains[0]):,} to train, "
        f"{len(test):,} to test, {copied.mean():.1%} of which have a copy in training"
    )

    show(lines, copied, "with a copy", np.concatenate(tested))


if __name__ == "__main__":
    main()
