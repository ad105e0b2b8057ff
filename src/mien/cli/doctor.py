"""``mien doctor``: what is installed, which model is found, and whether it works."""

from __future__ import annotations

import platform
import time
from importlib.metadata import PackageNotFoundError, version

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

PACKAGES = (
    "mien", "numpy", "pillow", "onnxruntime", "typer", "rich", "torch", "timm", "accelerate",
    "optuna", "scikit-learn", "cleanlab", "fastapi", "av", "pillow-heif", "pyarrow", "ray",
)  # fmt: skip


def doctor() -> None:
    """Show versions, models and devices, and test the default model on generated crops.

    Example: mien doctor
    """
    import numpy as np

    import mien
    from mien.bundle import damaged, list_bundles
    from mien.cli.plain import visible
    from mien.infer.session import providers

    console = Console()
    table = Table("what", "found", title="mien doctor", title_justify="left")
    table.add_row("Python", f"{platform.python_version()} on {platform.platform()}")
    for package in PACKAGES:
        try:
            table.add_row(package, version(package))
        except PackageNotFoundError:
            table.add_row(package, "[dim]not installed (only some verbs need it)[/dim]")
    table.add_row("runs on", ", then ".join(providers()))
    for bundle in list_bundles():
        place = Text(visible(str(bundle.path)), overflow="fold")
        table.add_row(Text(visible(f"model {bundle.path.name}")), place)
    for problem in damaged():
        table.add_row("damaged model", Text(visible(str(problem)), style="red", overflow="fold"))
    console.print(table)
    try:
        model = mien.load()
        crops = np.random.default_rng(0).integers(0, 256, (32, 48, 48), dtype=np.uint8)
        model.classify(crops[:1])
        began = time.perf_counter()
        scores = model.classify(crops)
        took = (time.perf_counter() - began) / len(crops) * 1000
        sums = np.abs(scores.label.sum(1) - 1).max(), np.abs(scores.ballot.sum(1) - 1).max()
        if max(sums) > 1e-3 or not np.isfinite(scores.ballot).all():
            raise ArithmeticError("scores do not sum to 1")
        blank = np.full((200, 200, 3), 128, np.uint8)
        if model.analyze(blank):
            raise ArithmeticError("a face was found in a blank picture")
    except (OSError, ValueError, ArithmeticError) as error:
        console.print(Text.assemble(("self-test failed: ", "bold red"), visible(str(error))))
        raise typer.Exit(1) from None
    console.print(
        f"[bold green]self-test passed:[/bold green] {model.bundle.card.name}, "
        f"{took:.1f} ms a face in a batch of {len(crops)}"
    )
