"""``mien models``: which models are there, what their cards say, and how to add one."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console

from mien import bundle as bundles
from mien.cli.plain import grid, say

app = typer.Typer(no_args_is_help=False)


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List the models that a name resolves to.

    Example: mien models
    """
    if context.invoked_subcommand is not None:
        return
    rows = []
    for found in bundles.list_bundles():
        card = found.card
        accuracy = card.metrics.get("label", {}).get("accuracy")
        rows.append(
            [
                found.path.name,
                f"{100 * accuracy['value']:.1f} %" if accuracy else "–",
                f"{found.graph.stat().st_size / 1e6:.1f}",
                str(card.views),
                str(found.path),
            ]
        )
    for problem in bundles.damaged():
        say(f"left out: {problem}", Console(stderr=True))
    Console().print(grid(["name", "label accuracy", "MB", "views", "where"], rows, words=(0, 4)))


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A model's name or folder.")] = "default",
) -> None:
    """Print a model's card.

    Example: mien models show default
    """
    card = (bundles.find(name) / bundles.CARD).read_text(encoding="utf-8")
    Console().print_json(json.dumps(json.loads(card), ensure_ascii=False))


@app.command()
def add(
    source: Annotated[str, typer.Argument(help="A folder, a .zip, its URL, or hf:OWNER/NAME.")],
    name: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Of the .zip, as its giver states it.")] = None,
) -> None:
    """Copy a model into your data folder, where its name is found.

    Example: mien models add models/ensemble --name ensemble

    Example: mien models add hf:OWNER/NAME
    """
    from mien.hub import fetch, is_address

    if is_address(source):
        if sha256:
            raise ValueError(f"--sha256: is that of a .zip; name a commit instead: {source}@COMMIT")
        with TemporaryDirectory() as scratch:
            bundle = bundles.add(str(fetch(source, Path(scratch))), name=name)
    else:
        bundle = bundles.add(source, name=name, expected=sha256)
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
