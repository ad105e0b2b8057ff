"""``mien predict``: pictures in, the expression of every face out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from mien.strings import LANGUAGES

if TYPE_CHECKING:
    from mien.infer.job import Job
    from mien.infer.model import Model
    from mien.infer.outputs import Output
    from mien.infer.record import Made
    from mien.infer.results import Picture

MANY = 20
"""So many pictures and more have a progress bar and a summary."""
ERRORS = 20
"""Most errors that are printed one by one where pictures are many; all are in the outputs."""


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PHOTO", help="Pictures, folders, or quoted patterns."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
    jsonl: Annotated[
        Path | None,
        typer.Option(help="Write one JSON line per picture; resumes if the file exists."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write one row per face; resumes if the file exists.")
    ] = None,
    parquet: Annotated[
        str | None, typer.Option(help="Write a folder of Parquet files; resumes if it exists.")
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="Write the pooled features of every face (.npz or .parquet), when all are done."
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Start output files afresh instead of resuming."),
    ] = False,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="Retry pictures that an earlier run could not read."),
    ] = False,
    annotate: Annotated[
        Path | None, typer.Option(help="Folder for copies with faces and scores drawn on them.")
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain", help="Draw a class-activation heat map over each annotated face."
        ),
    ] = False,
    crops: Annotated[
        bool,
        typer.Option(
            "--crops", help="Treat each picture as one cropped face; skip face detection."
        ),
    ] = False,
    head: Annotated[
        str,
        typer.Option(
            help="Scores to rank by. expression: a mix of both heads; votes: how people would "
            "vote; label: FER-2013's label."
        ),
    ] = "expression",
    lang: Annotated[str, typer.Option(help=f"Language of names: {' or '.join(LANGUAGES)}.")] = "en",
    model: Annotated[
        str | None, typer.Option(help="Model name (see: mien models), or a bundle's folder.")
    ] = None,
    min_face: Annotated[
        int, typer.Option(help="Side of the smallest face to search for, in pixels.", min=1)
    ] = 40,
    threads: Annotated[int, typer.Option(help="CPU cores to use; 0 = all.", min=0)] = 0,
    engine: Annotated[
        str, typer.Option(help="local, or ray for a cluster (needs --parquet).")
    ] = "local",
) -> None:
    """Recognise the expression of every face in pictures.

    Prints a table, or a summary if there is an output file. Unreadable pictures are reported and
    do not stop the run. A picture in which no face is found has none; for face crops, such as
    FER-2013's, add --crops.

    Exit code: 0 if a picture was read, 1 if none could be or an input is unusable, 2 for a wrong
    option. SIGTERM and Ctrl-C finish the outputs; the same command resumes.

    Example: mien predict portrait.jpg

    Example: mien predict holiday/ "scans/*.png" --csv faces.csv --annotate drawn/
    """
    from mien.emotions import names

    names(lang)
    if annotate is not None and annotate.exists() and not annotate.is_dir():
        raise ValueError(f"--annotate {annotate}: a file; name a folder for the copies")
    if explain and annotate is None:
        raise ValueError("--explain: draws on annotated pictures; add --annotate FOLDER")
    places = {"--jsonl": jsonl, "--csv": csv, "--parquet": parquet}
    given = {option: str(place) for option, place in places.items() if place is not None}
    if engine == "ray":
        if parquet is None or len(given) > 1 or annotate or as_json or embeddings:
            raise ValueError("--engine ray: writes Parquet alone; give --parquet FOLDER")
        _on_ray(
            paths, parquet,
            model=model, head=head, crops=crops, min_face=min_face,
            overwrite=overwrite, retry=retry,
        )  # fmt: skip
        return
    if engine != "local":
        raise ValueError(f"no engine {engine!r}; choose from local, ray")

    from mien.infer.annotated import Annotated as Copies
    from mien.infer.embeddings import Embeddings
    from mien.infer.inputs import find_pictures
    from mien.infer.job import Job
    from mien.infer.many import analyze_many
    from mien.infer.model import load
    from mien.infer.record import Made

    sources = find_pictures(paths, copies=annotate)
    loaded = load(model, threads=threads, head=head)
    if explain:
        _check_maps(loaded)
    copies = [] if annotate is None else [Copies(annotate, sources, language=lang, explain=explain)]
    for each in copies:
        each.check(fresh=overwrite)
    made = Made.by(loaded, crops=crops, min_face=min_face)
    vectors = [] if embeddings is None else [Embeddings(embeddings, made)]
    for file in vectors:
        file.check(fresh=overwrite)
    job = Job(sources, _outputs(given, made), [*copies, *vectors])
    job.open(fresh=overwrite, retry=retry)
    if crops:
        _warn_of_loose(job.left, loaded)
    found = analyze_many(
        loaded, job.left, crops=crops, min_face=min_face, cam=explain, embed=bool(vectors),
        workers=threads,
    )  # fmt: skip
    many = len(job.left) >= MANY or bool(job.outputs or annotate)
    _report(job.run(found), job, as_json=as_json, many=many, language=lang)
    for file in vectors:
        file.close()


def _report(done: Iterable[Picture], job: Job, *, as_json: bool, many: bool, language: str) -> None:
    """Print what the job yields; errors, progress and summary go to stderr."""
    from rich.console import Console

    from mien.cli import show
    from mien.cli.plain import say, visible, visible_json
    from mien.infer.results import written

    out, err = Console(), Console(stderr=True, highlight=False)
    result, separator = job.summary, "["
    shown: list[Picture] = []
    has_bar = many and not (as_json and out.is_terminal)
    with show.progress(err, len(job.left), visible=has_bar) as tick:
        for picture in done:
            tick(f"{result.speed:,.0f}/s")
            if picture.error is not None and (not many or result.errors <= ERRORS):
                say(f"mien: {visible(written(picture.error))}", err)
            if as_json:
                text = json.dumps(picture.to_dict(), ensure_ascii=not _is_utf8(sys.stdout))
                typer.echo(f"{separator}{visible_json(text)}", nl=False)
                separator = ",\n"
            elif len(shown) < show.SHOWN and picture.error is None:
                shown.append(replace(picture, source=visible(written(picture.source))))
    if as_json:
        typer.echo("[]" if separator == "[" else "]")
    elif shown and not job.outputs:
        out.print(show.pictures(shown, language))
        if rest := result.pictures - result.errors - len(shown):
            out.print(f"… and {rest:,} more; --csv FILE or --json has them all")
    if many:
        err.print(show.summary(result, language))
    if result.likely_crops:
        say(
            f"mien: {result.small:,} of {result.pictures:,} pictures are small, and no face was "
            "found in them; if they are face crops, as FER-2013's are, add --crops",
            err,
        )
    if result.failed:
        raise typer.Exit(1)


def _warn_of_loose(pictures: list[str], model: Model) -> None:
    """Say so on stderr if pictures that are called crops show far more than a face."""
    from rich.console import Console

    from mien.cli.plain import say
    from mien.infer.loose import sampled

    sample = sampled(pictures, model.detector)
    if sample.mostly:
        say(
            f"mien: in {sample.loose} of {sample.seen} pictures that were looked at, the face is "
            "much smaller than the picture; leave out --crops, so that faces are found and cut out",
            Console(stderr=True, highlight=False),
        )


def _outputs(given: Mapping[str, str], made: Made) -> list[Output]:
    """An output for each option and its place, which can be written to; none is touched yet."""
    from mien.infer.outputs import CsvOutput, JsonLinesOutput, check_file
    from mien.infer.parquet import ParquetOutput, check_folder

    kinds: dict[str, tuple[Callable[[Path, Made], Output], Callable[[Path], None]]] = {
        "--jsonl": (JsonLinesOutput, check_file),
        "--csv": (CsvOutput, check_file),
        "--parquet": (ParquetOutput, check_folder),
    }
    for option, place in given.items():
        if option == "--parquet" and "://" in place:
            raise ValueError(f"{option} {place}: an address; add --engine ray, or name a folder")
        _check_ending(option, place)
    found: list[Output] = []
    for option, place in given.items():
        kind, check = kinds[option]
        check(Path(place))
        found.append(kind(Path(place), made))
    if len({output.path.resolve() for output in found}) < len(found):
        raise ValueError(f"{', '.join(given)}: two of them name the same place; give each its own")
    return found


_ENDINGS = frozenset((".csv", ".json", ".jsonl", ".ods", ".parquet", ".xls", ".xlsm", ".xlsx"))
"""What says the format of a table; other endings are anybody's."""


def _check_ending(option: str, place: str) -> None:
    """Refuse a name that promises another format: a spreadsheet would not open it."""
    own, ending = f".{option.removeprefix('--')}", Path(place).suffix.lower()
    if ending != own and ending in _ENDINGS:
        raise ValueError(
            f"{option} {place}: {option} does not write {ending} files; name one that ends in {own}"
        )


def _is_utf8(stream: TextIO) -> bool:
    """Whether any name can be printed as it is; JSON has another way to write it."""
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def _check_maps(model: Model) -> None:
    if not any(output.name == "cam" for output in model.session.get_outputs()):
        raise ValueError(
            f"--explain: model {model.bundle.card.name!r} gives no activation maps; "
            "choose one that does with --model"
        )


def _on_ray(
    paths: list[str],
    out: str,
    *,
    model: str | None,
    head: str,
    crops: bool,
    min_face: int,
    overwrite: bool,
    retry: bool,
) -> None:
    from rich.console import Console

    from mien.cli import show
    from mien.infer.ray_engine import run

    result = run(
        paths, out, bundle=model, head=head, crops=crops, min_face=min_face, fresh=overwrite,
        retry=retry,
    )  # fmt: skip
    Console(stderr=True, highlight=False).print(show.summary(result))
    if result.failed:
        raise typer.Exit(1)
