"""``mien train``, ``distill`` and ``runs``: train by a recipe, list runs."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from mien.cli.plain import grid, say, visible

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.train.recipe import Recipe

ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""glibc gives large blocks back to the system after each batch unless told to keep them, and asks
for small pages; huge ones gained a few per cent on EfficientNet-Lite0, nothing on B0."""
What = Annotated[
    list[str],
    typer.Argument(
        metavar="RECIPE DATA KEY=VALUE",
        help="A recipe by name or .toml file, a data folder, and recipe keys to change.",
    ),
]
Start = Annotated[
    str | None, typer.Option(help="Where weights come from; short for network.start=…")
]
Folds = Annotated[int, typer.Option(help="Train this many grouped folds and write oof.npz.", min=0)]
Board = Annotated[bool, typer.Option("--tensorboard", help="Write TensorBoard events as well.")]


def keep_pages() -> None:
    """Restart this process with glibc's allocator set to keep its pages."""
    if sys.platform == "linux" and not any(name in os.environ for name in ALLOCATOR):
        os.execve(sys.executable, sys.orig_argv, os.environ | ALLOCATOR)


def train(
    what: Annotated[list[str] | None, *What.__metadata__] = None,
    start: Start = None,
    folds: Folds = 0,
    tensorboard: Board = False,
    listing: Annotated[bool, typer.Option("--list", help="List the recipes and stop.")] = False,
) -> None:
    """Train a network by a recipe. Run the same command again to resume after a stop.

    Several processes: torchrun --nproc-per-node 2 -m mien train RECIPE DATA

    Example: mien train small data/fer2013 epochs=2
    """
    if listing:
        list_recipes()
        return
    if not what:
        raise ValueError("name a recipe and a data folder; mien train --list shows the recipes")
    keep_pages()
    _train(read_recipe(what, start=start), folds=folds, tensorboard=tensorboard)


def distill(
    teacher: Annotated[str, typer.Argument(help="The bundle to learn from, by name or folder.")],
    what: What,
    weight: Annotated[
        float | None,
        typer.Option(help="Share of the teacher in each target; else the recipe's.", min=0, max=1),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Above 1 flattens its scores; else the recipe's.")
    ] = None,
    start: Start = None,
) -> None:
    """Train a network on what a teacher bundle says of each picture, and on the labels.

    The same as mien train with targets.teacher=BUNDLE.

    Example: mien distill models/ensemble small data/fer2013 name=student
    """
    from mien.train.recipe import toml_value

    keep_pages()
    asked = [f"targets.teacher={toml_value(teacher)}"]
    asked += [] if weight is None else [f"targets.teacher_weight={weight}"]
    asked += [] if temperature is None else [f"targets.temperature={temperature}"]
    _train(read_recipe([*what, *asked], start=start), folds=0, tensorboard=False)


def runs(
    names: Annotated[
        list[str] | None, typer.Argument(help="Runs to compare, by name or folder; else all.")
    ] = None,
    curves: Annotated[Path | None, typer.Option(help="PNG to draw their curves into.")] = None,
) -> None:
    """List runs, or compare some: results, and the recipe keys in which they differ.

    Example: mien runs face_mobilenet small --curves compared.png
    """
    from mien.train.reports import COLUMNS, differences, draw, find_run, find_runs, row
    from mien.train.run import read_history, runs_folder

    root = runs_folder()
    folders = [find_run(name) for name in names] if names else find_runs(root)
    if not folders:
        raise FileNotFoundError(f"{root}: no runs yet; `mien train` makes them")
    cells = [row(folder) for folder in folders]
    used = [c for c in COLUMNS if any(line[c] != "–" for line in cells)]
    console = Console()
    table = grid(used, [[line[c] for c in used] for line in cells], words=(0, 1))
    wanted = console.measure(table, options=console.options.update(width=10_000)).maximum
    if wanted <= console.width:
        console.print(table)
    else:  # too narrow for a row a run: a paragraph each
        for line in cells:
            known = [f"{c} {line[c]}" for c in used[1:] if line[c] != "–"]
            console.print(Text(visible(line["run"]), style="bold"))
            console.print(Padding(Text(visible(", ".join(known))), (0, 0, 0, 2)))
    if names and len(folders) > 1:
        apart = differences(folders)
        rows = [[key, *values] for key, values in apart.items()]
        console.print(grid(["key", *(f.name for f in folders)], rows, words=(0, 1)))
    if curves:
        draw({folder.name: read_history(folder) for folder in folders}, curves)
        say(f"wrote {curves}")


def list_recipes() -> None:
    """Print each recipe's name and what its first line says of it."""
    from mien.library import about, names

    rows = [[name, about(path)] for name, path in names().items()]
    Console().print(grid(["recipe", "what it trains"], rows, words=(0, 1)))
    say("train one: mien train NAME DATA")


def read_recipe(what: list[str], *, start: str | None = None) -> Recipe:
    """Parse a command line: at most one recipe, one data folder, overrides.

    Raises:
        ValueError: two files or two folders, no data, or what ``recipe.load`` raises.
    """
    from mien.library import find, names
    from mien.train.recipe import load, toml_value

    overrides = [w for w in what if "=" in w and not Path(w).is_dir()]
    places = [w for w in what if w not in overrides]
    files = [w for w in places if w.endswith(".toml")]
    if not files and len(places) > 1:
        find(places[0])  # else says which names there are
        files = places[:1]
    elif not files and places and places[0] in names() and not Path(places[0]).is_dir():
        files = places
    folders = [w for w in places if w not in files]
    if len(files) > 1 or len(folders) > 1:
        raise ValueError(
            f"one recipe and one data folder, please; got {', '.join(files + folders)}"
        )
    overrides += [f"data.path={toml_value(folder)}" for folder in folders]
    overrides += [f"network.start={toml_value(start)}"] if start else []
    recipe = load(files[0] if files else None, overrides)
    if not recipe.data.path:
        raise ValueError("which data? give a folder with train/<emotion>/*.png")
    return recipe


def read_data(recipe: Recipe, *, hold: bool = True, tell: bool = True) -> Dataset:
    """What a recipe is trained on; a folder that nobody prepared is all for training.

    Where the recipe holds out nothing itself, ``hold`` keeps a tenth of such a folder as ``valid``.
    """
    from mien.data.dataset import load
    from mien.train.samples import hold_valid, in_splits

    read, path = load(recipe.data.path), recipe.data.path
    data = in_splits(read)
    if data is read:
        return data
    if hold and not recipe.data.holdout:
        try:
            data = hold_valid(data, seed=recipe.seed)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    if tell:
        valid = (data.split == "valid").sum()
        kept = f"{valid:,} of {len(data):,} are kept to score each epoch" if valid else "all train"
        say(
            f"{path}: its pictures are in no split, so {kept}; `mien data prepare` also makes a "
            "test split, cuts out faces and finds copies"
        )
    return data


def _train(recipe: Recipe, *, folds: int, tensorboard: bool) -> None:
    from mien.cli.progress import Bar
    from mien.train.cross_validation import OOF, fit_folds
    from mien.train.fit import fit
    from mien.train.reports import draw
    from mien.train.run import read_confusion, read_history, runs_folder
    from mien.train.watch import Events, Stopped
    from mien.train.weights import FILE

    if tensorboard:
        import_module("tensorboard")  # miss it now rather than after an epoch
    first = os.environ.get("RANK", "0") == "0"
    console, folder = Console(quiet=not first), runs_folder() / recipe.name
    everything = read_data(recipe, hold=not folds, tell=first)
    data = everything.of("train")
    valid = everything.of("valid") if (everything.split == "valid").any() else None
    if first and not data.has_votes.any() and not recipe.targets.taught:
        say(f"{recipe.data.path}: no votes, so the votes head learns the labels")
    elif first and not data.has_votes.all() and data.has_votes.any():
        say(
            f"{recipe.data.path}: {(~data.has_votes).sum():,} of {len(data):,} pictures have no "
            "votes and are left out; without any votes all would be learnt from"
        )
    bar = Bar(console)
    watch: Any = Events(folder, bar) if tensorboard and first else bar
    stopped: Stopped | None = None
    try:
        if folds:
            fit_folds(recipe, data, folder, folds=folds, watch=watch)
        else:
            fit(recipe, data, folder, watch=watch, valid=valid)
    except Stopped as stop:
        stopped = stop
    finally:
        bar.close()
    history = read_history(folder)
    if first and history:
        draw({recipe.name: history}, folder / "curves.png")
    if stopped:
        say(f"stopped; {folder} keeps the last full epoch; the same command resumes")
        raise typer.Exit(128 + stopped.number)
    table = read_confusion(folder) if first and not folds else []
    if table:
        title = "Confusion matrix of the validation split, rows are labels"
        console.print(grid(table[0], table[1:], title=title))
    if first:
        say(f"trained: {folder / (OOF if folds else FILE)}")
        if not folds:
            name = recipe.name
            say(f"next: mien export {name} --out models/{name} --data {recipe.data.path}")
