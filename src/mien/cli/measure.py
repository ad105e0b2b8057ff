"""``mien evaluate``, ``compare``, ``ensemble`` and ``report``: measure models and compare them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from mien.atomic import write_bytes
from mien.cli.plain import say, show
from mien.cli.progress import Stages
from mien.workflows.evaluation import write_metrics

if TYPE_CHECKING:
    from mien.measure.predictions import Predictions

Out = Annotated[Path | None, typer.Option(help="Folder to write to.")]
Split = Annotated[str, typer.Option(help="Which split of the data: train, valid or test.")]
Draws = Annotated[int, typer.Option(help="Bootstrap resamples behind each interval.", min=10)]
Data = Annotated[
    Path | None,
    typer.Option(help="Source of labels and votes: a data folder or a predictions.npz."),
]


def evaluate(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL DATA",
            help="A bundle or a run, and the data folder; with --predictions, the data alone.",
        ),
    ],
    predictions: Annotated[
        Path | None,
        typer.Option(help="Score this .csv or .npz of any system instead of a bundle."),
    ] = None,
    split: Split = "test",
    out: Out = None,
    draws: Draws = 1000,
    seed: Annotated[int, typer.Option(help="Seed of resampling and folds.")] = 0,
) -> None:
    """Measure a model, or any system's scores, with 95 % intervals.

    Writes predictions.npz and metrics.json.

    Example: mien evaluate runs/face data/fer2013

    Example: mien evaluate --predictions other.csv data/fer2013
    """
    if len(what) != (1 if predictions else 2):
        needed = "the data alone" if predictions else "a bundle (or run) and the data"
        raise ValueError(f"give {needed}; got {' '.join(what) or 'nothing'}")
    from mien.measure.tables import all_tables
    from mien.workflows import evaluation as workflow

    console = Console()
    if predictions:
        from mien.measure.readers import read
        from mien.workflows.truth import joined, truth

        data = Path(what[0])
        folder = out or Path(f"{predictions.stem}.evaluation")
        for given in (predictions, data):
            if _table_of(given).resolve() == (folder / "predictions.npz").resolve():
                raise ValueError(f"{given}: would be overwritten; choose another --out")
        scores, known = read(predictions), truth(data, split)
        table = joined(scores, known, data)
        if len(table) < len(known):
            say(f"{predictions} scores {len(table):,} of {len(known):,} pictures")
        if len(table) < len(scores):
            say(f"{data} lacks {len(scores) - len(table):,} of {len(scores):,} scored pictures")
        with Stages() as stages:
            result = workflow.keep(table, folder, draws=draws, seed=seed, progress=stages)
    else:
        data = Path(what[1])
        with Stages() as stages:
            model = workflow.bundle_of(what[0], data, tell=say)
            folder, result = workflow.evaluate(
                model, data, split=split, out=out, draws=draws, seed=seed, progress=stages
            )
    for each in all_tables(result):
        show(each, console)
    say(f"wrote {folder / 'predictions.npz'} and {folder / 'metrics.json'}")


def compare(
    first: Annotated[Path, typer.Argument(help="The baseline: a run, .npz or .csv.")],
    second: Annotated[Path, typer.Argument(help="The system to compare: a run, .npz or .csv.")],
    data: Data = None,
    split: Split = "test",
    head: Annotated[
        str, typer.Option(help="Which head names the label: label or votes.")
    ] = "label",
    draws: Draws = 1000,
    out: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
) -> None:
    """Compare two models on the same pictures (McNemar's test, paired bootstrap).

    A .csv needs a column for the picture (id, file, …) and seven score columns under any common
    name of the emotions. Labels and votes come from the other side or from --data.

    Example: mien compare other.csv runs/face
    """
    from mien.measure.compare import compare as judge
    from mien.measure.tables import comparison

    pair = _read_each([first, second], split)
    if data is not None:
        from mien.workflows.truth import joined, truth

        known = truth(data, split)
        pair = [joined(table, known, data) for table in pair]
    found = judge(pair[0], pair[1], head=head, draws=draws)
    console = Console()
    show(comparison(found), console)
    if out:
        write_metrics(out, found)
        say(f"wrote {out}")


def ensemble(
    members: Annotated[
        list[Path], typer.Argument(help="Two or more runs or predictions files of one split.")
    ],
    data: Data = None,
    split: Split = "valid",
    method: Annotated[
        str, typer.Option(help="equal weights, fitted weights or greedy selection.")
    ] = "greedy selection",
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = Path("ensemble.json"),
    draws: Draws = 1000,
) -> None:
    """Choose members and weights of an ensemble, and compare methods by cross-validation.

    Give predictions on pictures that trained no member and that nothing else is judged on: of a
    run, those that `mien evaluate --split` wrote for the split. Writes the chosen members with
    their weights; `mien export ensemble.json` joins them into one graph where they are runs.

    Example: mien ensemble runs/face runs/vgg19 runs/resnet50 --out ensemble.json
    """
    from mien.measure.contest import honest
    from mien.measure.ensemble import choose, stack
    from mien.measure.readers import read
    from mien.measure.tables import contest

    tables = [read(_scores_of(path, split)) for path in members]
    if data is not None:
        from mien.workflows.truth import joined, truth

        known = truth(data, split)
        tables = [joined(each, known, data) for each in tables]
    names = [str(_run_of(path) or path) for path in members]
    tables = [replace(each, system=name) for each, name in zip(tables, names, strict=True)]
    stacked = stack(tables)
    weights = choose(stacked, method)
    compared = honest(stacked, draws=draws)
    console = Console()
    show(contest(compared, n=len(tables[0])), console)
    for path, weight in weights.items():
        say(f"{weight:6.3f}  {path}")
    write_metrics(out, {"method": method, "members": weights, "comparison": compared})
    say(f"wrote {out}")


def report(
    run: Annotated[Path, typer.Argument(help="What `mien evaluate` wrote, or any .npz or .csv.")],
    others: Annotated[
        list[Path] | None, typer.Argument(help="Systems to compare it with, in the same forms.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data folder: pictures, and labels for a .csv.")
    ] = None,
    split: Split = "test",
    faces: Annotated[
        bool, typer.Option(help="Show pictures of the most confident errors; needs --data.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option(help="The .html to write, and the .md beside it.")
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(help="Bootstrap resamples; without it as evaluated, or 1000.", min=10),
    ] = None,
) -> None:
    """Write a self-contained report of a model's performance, as HTML and Markdown.

    Example: mien report runs/face runs/vgg19 other.csv --data data/fer2013

    Example: mien report runs/face --no-faces --out docs/report.html
    """
    if out and out.suffix.lower() not in {".html", ".htm"}:
        raise ValueError(f"{out}: the page is HTML; end --out in .html (the .md goes beside it)")
    from mien.measure.evaluate import evaluate as measure
    from mien.measure.report import build

    run = _scores_of(run, split)
    tables = _read_each([run, *(others or [])], split)
    if data is not None and any(not each.known.any() for each in tables):
        from mien.workflows.truth import joined, truth

        known = truth(data, split)
        tables = [each if each.known.any() else joined(each, known, data) for each in tables]
    table = tables[0]
    result = _stored_metrics(run) or measure(table, draws=draws or 1000)
    how = result["interval"]
    if draws not in (None, how["draws"]):
        result |= measure(table, draws=draws, seed=how["seed"])
    pictures = None
    if faces and data is not None:
        from mien.workflows.truth import pictures_of

        pictures = pictures_of(table, data)
    made = build(table, result, others=tables[1:], card=result.get("card"), pictures=pictures)
    page = out or _table_of(run).with_name("report.html")
    page.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(page, made.html.encode())
    write_bytes(page.with_suffix(".md"), made.markdown.encode())
    say(f"wrote {page} and {page.with_suffix('.md')}")


def _read_each(paths: list[Path], split: str) -> list[Predictions]:
    """The tables of several systems; those of one name are told apart by where they lie."""
    from mien.measure.readers import read

    tables = [read(_scores_of(path, split)) for path in paths]
    names = [table.system for table in tables]
    return [
        replace(table, system=f"{table.system} ({path})")
        if names.count(table.system) > 1
        else table
        for table, path in zip(tables, paths, strict=True)
    ]


def _stored_metrics(run: Path) -> dict[str, Any] | None:
    """The metrics.json beside a table, if it was measured on that very table."""
    from mien.bundle import sha256

    table = _table_of(run)
    metrics = table.with_name("metrics.json")
    if table.name != "predictions.npz" or not metrics.exists():
        return None
    found: dict[str, Any] = json.loads(metrics.read_text(encoding="utf-8"))
    return found if found.get("predictions_sha256") == sha256(table) else None


def _table_of(path: Path) -> Path:
    """The predictions file that a path stands for."""
    return path / "predictions.npz" if path.is_dir() else path


def _run_of(path: Path) -> Path | None:
    """The run that predictions belong to: their folder, or the one above where a split has one."""
    folder = path if path.is_dir() else path.parent
    return next((f for f in (folder, folder.parent) if (f / "recipe.toml").is_file()), None)


def _scores_of(path: Path, split: str) -> Path:
    """A run's predictions of a split; any other path as it is."""
    if _run_of(path) != path:
        return path
    folder = path if split == "test" else path / split
    if not (folder / "predictions.npz").is_file():
        raise FileNotFoundError(
            f"{folder}: no predictions.npz; `mien evaluate {path} DATA --split {split}` writes it, "
            "or choose another --split"
        )
    return folder
