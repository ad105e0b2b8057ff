"""``mien models``: list models, show a card, add a model."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.console import Console

from mien import bundle as bundles
from mien.cli import Group
from mien.cli.plain import grid, say, visible_json

app = typer.Typer(cls=Group, no_args_is_help=False)


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List the models that can be used by name.

    Example: mien models
    """
    if context.invoked_subcommand is not None:
        return
    rows = [
        [
            found.path.name,
            _accuracy(found.card.metrics),
            f"{found.graph.stat().st_size / 1e6:.1f}",
            str(found.card.views),
            str(found.path),
        ]
        for found in bundles.list_bundles()
    ]
    for problem in bundles.damaged():
        say(f"left out: {problem}", Console(stderr=True))
    Console().print(grid(["name", "label accuracy", "MB", "views", "where"], rows, words=(0, 4)))


def _accuracy(metrics: dict[str, Any]) -> str:
    """The label's accuracy, where a card states one: cards come from anyone."""
    try:
        return f"{100 * float(metrics['label']['accuracy']['value']):.1f} %"
    except (KeyError, TypeError, ValueError, OverflowError):
        return "–"


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A model's name or folder.")] = "default",
) -> None:
    """Show a model's card.

    Example: mien models show default
    """
    path = bundles.find(name) / bundles.CARD
    bundles.Card.read(path)
    card = json.loads(path.read_text(encoding="utf-8"))  # with the keys of later versions
    text = visible_json(json.dumps(card, ensure_ascii=False, indent=2))
    Console().print(text, markup=False, soft_wrap=True)


@app.command()
def add(
    source: Annotated[
        str, typer.Argument(help="A bundle's folder, a .zip of one, its URL, or hf:OWNER/NAME.")
    ],
    name: Annotated[
        str | None, typer.Option(help="Name to use it by; the card's by default.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="Expected sha256 of the .zip.")] = None,
) -> None:
    """Copy a model into your data folder, so that it can be used by name.

    Example: mien models add models/ensemble --name ensemble

    Example: mien models add hf:OWNER/NAME
    """
    from mien.hub import fetch, is_address

    if is_address(source):
        if sha256:
            raise ValueError(f"--sha256: is that of a .zip; name a commit instead: {source}@COMMIT")
        with TemporaryDirectory() as scratch:
            bundle = bundles.add(str(fetch(source, Path(scratch))), name=name, check=_try_out)
    else:
        bundle = bundles.add(source, name=name, expected=sha256, check=_try_out)
    say(f"added {bundle.path.name}: mien predict --model {bundle.path.name} PHOTO")


@app.command()
def push(
    name: Annotated[str, typer.Argument(help="A model's name or folder.")],
    address: Annotated[str, typer.Argument(help="Where it goes: hf:OWNER/NAME.")],
    private: Annotated[
        bool, typer.Option("--private", help="Create the repository for you alone.")
    ] = False,
) -> None:
    """Publish a model on the Hugging Face hub, with a model card made from its card.json.

    Log in before with: hf auth login

    Example: mien models push models/mine hf:me/mien-mine
    """
    from mien.hub import push as publish

    say(f"published {publish(bundles.load(name), address, private=private)}")


def _try_out(bundle: bundles.Bundle) -> None:
    """Score an empty crop: a graph that does not run is refused now, and not at its first use."""
    import numpy as np

    from mien.infer.model import load

    load(bundle.path, threads=1).classify(np.zeros((1, 48, 48), np.uint8))
