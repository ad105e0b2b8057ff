"""``mien summary`` and ``mien methods``: what a study needs of many faces and of one evaluation."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mien.cli.plain import grid, say


def summary(
    faces: Annotated[Path, typer.Argument(help="CSV that mien predict or mien video wrote.")],
    by: Annotated[
        list[str] | None,
        typer.Option(help="Group by this column; repeat for more. folder: of each picture."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Faces with equal values here are resampled together [default: source]."),
    ] = None,
    head: Annotated[
        str, typer.Option(help="Shares to average: votes, label or expression.")
    ] = "votes",
    csv: Annotated[Path | None, typer.Option(help="CSV: a row per group and share.")] = None,
    draws: Annotated[int, typer.Option(help="Bootstrap resamples.", min=10)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the resampling.")] = 0,
) -> None:
    """Average the expressions of many faces by group, with 95 % intervals.

    Each share is the mean score over the group's faces. Faces of one picture are resampled
    together (a cluster bootstrap), since they are not independent.

    Example: mien summary faces.csv --by folder

    Example: mien summary faces.csv --by site --cluster person --csv shares.csv
    """
    from mien.atomic import write_csv
    from mien.measure.grouped import COLUMNS, SHARES, read_faces, summarize

    table = read_faces(faces, head=head)
    columns = by or []
    groups = summarize(table, by=columns, cluster=cluster, draws=draws, seed=seed)
    rows = []
    for group in groups:
        head_cells = [*group.key, f"{group.faces:,}"]
        for name, share, low, high in zip(SHARES, group.share, group.low, group.high, strict=True):
            span = f"{100 * low:.1f}–{100 * high:.1f}" if low == low else ""
            rows.append([*head_cells, name, f"{100 * share:.1f}", span])
            head_cells = [""] * len(head_cells)  # a group's name stands once
    words = (*range(len(columns)), len(columns) + 1)
    heads = [*columns, "faces", "expression", "%", "95 % interval"]
    Console().print(grid(heads, rows, words=words))
    if table.skipped:
        say(f"left out: {table.skipped:,} rows without a face", Console(stderr=True))
    if csv is not None:
        if csv.resolve() == faces.resolve():
            raise ValueError(f"{csv}: is the table that is read; choose another --csv")
        lines = [
            (*group.key, group.faces, group.clusters, name, *map(_cell, values))
            for group in groups
            for name, *values in zip(SHARES, group.share, group.low, group.high, strict=True)
        ]
        write_csv(csv, (*columns, *COLUMNS), lines)
        say(f"wrote {csv}")


def _cell(value: float) -> str:
    return f"{value:.6f}" if value == value else ""


def methods(
    results: Annotated[
        Path, typer.Argument(help="Folder that mien evaluate wrote, or its metrics.json.")
    ],
    bibtex: Annotated[
        bool, typer.Option("--bibtex/--no-bibtex", help="Also print the references.")
    ] = True,
) -> None:
    """Write the methods paragraph of a paper, with references in BibTeX.

    It states the versions, the model's hash, the data, the protocol and the figures with their
    intervals.

    Example: mien methods default.evaluation
    """
    import platform

    from mien import __version__
    from mien.measure.methods import BIBTEX, paragraph, read_metrics

    versions = {"mien": __version__, "Python": platform.python_version()}
    versions |= {"ONNX Runtime": version("onnxruntime"), "NumPy": version("numpy")}
    say(paragraph(read_metrics(results), versions=versions))
    if bibtex:
        typer.echo("\n" + BIBTEX.format(version=__version__), nl=False)
