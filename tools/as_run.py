r"""Make a finished run of weights that we ship: to export, average or score them untrained.

    python tools/as_run.py recipes/student_mild.toml data/fer2013 models/default \
        --name student_thin_7

The recipe says what network they are of and the data what they were trained on. Shipped weights are
float16: a run of one's own differs from this one by their rounding.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from mien.data.dataset import load
from mien.data.sketch import sketch
from mien.train import run, weights
from mien.train.fit import split
from mien.train.recipe import load as load_recipe
from mien.train.recipe import vary


def main() -> None:
    """Write the folder below ``$MIEN_RUNS``."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", help="a model's name or folder, or a weights file")
    parser.add_argument("--name", help="of the run; unless given, the recipe's")
    given = parser.parse_args()
    recipe = load_recipe(given.recipe, [f"data.path={given.data}"])
    recipe = vary(recipe, {"name": given.name or recipe.name})
    source = weights.find(given.weights)
    learn, _ = split(recipe, load(given.data).of("train"))
    facts = {
        "data": learn.fingerprint(), "sketch": sketch(learn.images), "images": len(learn),
        "voted": int(learn.has_votes.sum()), "start": weights.read(source).origin,
    }  # fmt: skip
    folder = run.runs_folder() / recipe.name
    run.claim(folder, recipe, facts)
    shutil.copyfile(source, folder / weights.FILE)
    run.load_network(folder)  # or the recipe is of another network
    print(f"{folder}: now mien export {recipe.name} --out BUNDLE --data {given.data}")


if __name__ == "__main__":
    main()
