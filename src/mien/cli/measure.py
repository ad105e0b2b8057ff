"""``mien evaluate``, ``compare``, ``ensemble`` and ``report``: how good is it, really?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.measure.predictions import Predictions
    from mien.measure.tables import Table

Out = Annotated[Path | None, typer.Option(help="Folder to write to.")]
Split = Annotated[str, typer.Option(help="Which split of the data: train, valid or test.")]
Draws = Annotated[int, typer.Option(help="Bootstrap resamples behind each interval.", min=10)]
Data = Annotated[
    Path | None,
    typer.Option(help="Where labels and votes are: a data folder or a predictions.npz."),
]


def evaluate(
    what: Annotated[
        list[str],
        typer.Argument(help="A bundle or a run, and the data: a folder, or a predictions.npz."),
    ],
    predictions: Annotated[
        Path | None,
        typer.Option(help="Score this .csv or .npz of any system instead of a bundle."),
    ] = None,
    split: Split = "test",
    out: Out = None,
    draws: Draws = 1000,
    seed: Annotated[int, typer.Option(help="Of resampling and folds.")] = 0,
) -> None:
    """Measure a model, or any system's scores, with 95 % intervals.

    Writes predictions.npz and metrics.json.

    Example: mien evaluate runs/face data/fer2013

    Example: mien evaluate --predictions other.csv data/fer2013
    """
    if len(what) != (1 if predictions else 2):
        needed = "the data alone" if predictions else "a bundle (or run) and the data"
        raise ValueError(f"give {needed}; got {' '.join(what) or 'nothing'}")
    from mien.measure.evaluate import evaluate as measure
    from mien.measure.tables import all_tables

    console = Console()
    if predictions:
        from mien.measure.readers import join, read

        scores, truth = read(predictions), _truth(Path(what[0]), split)
        table = join(scores, truth)
        if len(table) < len(truth):
            console.print(f"{predictions} scores {len(table):,} of {len(truth):,} pictures")
        folder = out or Path(f"{predictions.stem}.evaluation")
    else:
        table = _classify(what[0], Path(what[1]), split)
        folder = out or _folder_of(what[0])
    result = measure(table, draws=draws, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    table.save(folder / "predictions.npz")
    _write_json(folder / "metrics.json", result)
    for each in all_tables(result):
        _show(console, each)
    console.print(f"wrote {folder / 'predictions.npz'} and {folder / 'metrics.json'}")


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
    """Test two systems on the same pictures: McNemar and a paired bootstrap.

    A .csv needs a column for the picture (id, file, …) and seven score columns under any common
    name of the emotions. Labels and votes come from the other side or from --data.

    Example: mien compare other.csv runs/face
    """
    from mien.measure.compare import compare as judge
    from mien.measure.readers import join, read
    from mien.measure.tables import comparison

    pair = [read(path) for path in (first, second)]
    if data is not None:
        truth = _truth(data, split)
        pair = [join(table, truth) for table in pair]
    found = judge(pair[0], pair[1], head=head, draws=draws)
    console = Console()
    _show(console, comparison(found))
    if out:
        _write_json(out, found)
        console.print(f"wrote {out}")


def _truth(data: Path, split: str) -> Predictions:
    """Labels, votes, groups and leaks, from a data folder or from a table that carries them."""
    if data.suffix in {".npz", ".csv"} or (data / "predictions.npz").exists():
        from mien.measure.readers import read

        return read(data)
    import numpy as np

    from mien.data.dataset import load_folder
    from mien.emotions import EMOTIONS

    dataset = load_folder(data)
    n = len(dataset.of(split))
    return _table(dataset, split, np.full((n, len(EMOTIONS)), 1 / len(EMOTIONS)), None, "truth")


def _classify(source: str, data: Path, split: str) -> Predictions:
    import mien
    from mien.data.dataset import load_folder

    dataset = load_folder(data)
    model = mien.load(source)
    scores = model.classify(dataset.of(split).images)
    return _table(dataset, split, scores.label, scores.ballot, Path(source).name)


def _table(dataset: Dataset, split: str, label: Any, ballot: Any, system: str) -> Predictions:
    """A prediction table of one split; leaked is what has an identical picture in train."""
    import numpy as np

    from mien.measure.predictions import Predictions

    part = dataset.of(split)
    training = dataset.group[dataset.split == "train"]
    return Predictions(
        id=part.id,
        y=part.emotion,
        label=np.asarray(label, np.float64),
        ballot=None if ballot is None else np.asarray(ballot, np.float64),
        counts=part.votes if part.has_votes.any() else None,
        group=part.group,
        leaked=np.isin(part.group, training) if len(training) and split != "train" else None,
        system=system,
        split=split,
    ).check()


def _folder_of(source: str) -> Path:
    """Beside the weights where the source is a folder, else one of its name here."""
    path = Path(source)
    return path if path.is_dir() else Path(f"{path.name}.evaluation")


def _write_json(path: Path, value: Any) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def _show(console: Console, table: Table) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    shown = RichTable(
        title=table.title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
    )
    for number, column in enumerate(table.columns):
        shown.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    console.print(shown)
    if table.note:
        console.print(table.note, style="dim")
        console.print()
