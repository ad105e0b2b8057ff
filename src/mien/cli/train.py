"""``mien train``: a recipe and a folder of faces in, a run and its bundle out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.progress import TaskID

ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "268435456",
}
"""glibc gives large blocks back to the system after each batch unless told to keep them."""


def keep_pages() -> None:
    """Start this process again with the allocator told to keep its pages, where that is glibc."""
    if sys.platform == "linux" and not any(name in os.environ for name in ALLOCATOR):
        os.execve(sys.executable, sys.orig_argv, os.environ | ALLOCATOR)


class Bar:
    """A progress bar with images a second on a terminal; a line an epoch anywhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} images"),
            TextColumn("{task.speed:.0f} images/s", justify="right"), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self.task: TaskID | None = None

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """Start, or go on with, the bar of the whole run."""
        text = f"epoch {epoch + 1}/{epochs}"
        if self.task is None:
            self.progress.start()
            self.task = self.progress.add_task(
                text, total=images * epochs, completed=images * epoch
            )
        self.progress.update(self.task, description=text)

    def advance(self, images: int) -> None:
        """Move on."""
        if self.task is not None:
            self.progress.advance(self.task, images)

    def end(self, row: dict[str, Any]) -> None:
        """Print the epoch's line."""
        self.console.print("  ".join(f"{key} {value}" for key, value in row.items()), soft_wrap=True)


def train(
    what: Annotated[
        list[str], typer.Argument(help="A recipe (.toml), a data folder, and key=value overrides.")
    ],
    start: Annotated[
        str | None, typer.Option(help="Where weights come from; short for network.start=…")
    ] = None,
) -> None:
    """Train by a recipe; run the same command again to go on after a stop.

    Example: mien train recipes/face_mobilenet.toml data/fer2013 epochs=2
    """
    keep_pages()
    from mien.data.dataset import load_folder
    from mien.train.fit import fit, runs_folder
    from mien.train.recipe import load

    files = [w for w in what if w.endswith(".toml")]
    overrides = [w for w in what if "=" in w and w not in files]
    folders = [w for w in what if w not in files and w not in overrides]
    if len(files) > 1 or len(folders) > 1:
        raise ValueError(f"one recipe and one data folder, please; got {', '.join(files + folders)}")
    overrides += [f"data.path={json_string(folder)}" for folder in folders]
    overrides += [f"network.start={json_string(start)}"] if start else []
    recipe = load(files[0] if files else None, overrides)
    if not recipe.data.path:
        raise ValueError("which data? give a folder with train/<emotion>/*.png")
    console = Console()
    folder = runs_folder() / recipe.name
    bar = Bar(console)
    try:
        fit(recipe, load_folder(recipe.data.path).of("train"), folder, watch=bar)
    except KeyboardInterrupt:
        console.print(f"stopped; {folder} keeps the last full epoch, the same command goes on")
        raise typer.Exit(130) from None
    finally:
        bar.progress.stop()
    console.print(f"trained: {folder / 'weights.safetensors'}")


def json_string(text: str | Path) -> str:
    """Quote for a TOML value."""
    import json

    return json.dumps(str(text))
