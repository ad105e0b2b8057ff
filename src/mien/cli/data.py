"""``mien data``: from a messy folder to a clean, split, documented data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli import Group

if TYPE_CHECKING:
    from mien.data.writing import Result

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    help="Clean, split and document pictures for training.\n\n"
    "Example: mien data prepare downloads/fer2013 data/fer",
)

Out = Annotated[Path, typer.Argument(help="The prepared folder.")]


@app.command()
def prepare(
    source: Annotated[
        Path, typer.Argument(help="A folder of pictures, a table of labels, or a pixel CSV.")
    ],
    out: Annotated[Path, typer.Argument(help="An empty folder, or one from an earlier prepare.")],
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="CLASS=EMOTION or CLASS=drop, for folders and labels; repeatable."
        ),
    ] = None,
    votes: Annotated[
        Path | None,
        typer.Option(help="votes.csv or FER+'s fer2013new.csv, if not beside the pictures."),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="train:valid:test ratio; keep = the source's own; official = FER-2013's contest."
        ),
    ] = "8:1:1",
    seed: Annotated[int, typer.Option(help="Random seed of the split.")] = 0,
    copies: Annotated[
        str, typer.Option(help="Of a group of duplicates keep one, or all (in one split).")
    ] = "one",
    correlation: Annotated[
        float, typer.Option(help="Minimum correlation for a duplicate; 2 = exact only.")
    ] = 0.92,
    bundle: Annotated[
        str, typer.Option(help="Model that helps to find pictures without a face, or none.")
    ] = "default",
    detector: Annotated[
        bool,
        typer.Option(help="Find faces in photos, and check suspicious pictures for a face."),
    ] = True,
    predictions: Annotated[
        Path | None, typer.Option(help="Out-of-fold predictions (.npz), to find wrong labels.")
    ] = None,
    bundle_labels: Annotated[
        bool,
        typer.Option(
            "--bundle-labels",
            help="Find wrong labels with --bundle, if it was not trained on these.",
        ),
    ] = False,
    decisions: Annotated[
        Path | None, typer.Option(help="Decisions to apply instead of OUT/decisions.csv.")
    ] = None,
    crops: Annotated[
        bool,
        typer.Option("--crops", help="Pictures are tight face crops: take them whole."),
    ] = False,
    numbers: Annotated[
        str,
        typer.Option(help="What numbered classes mean: fer2013, affectnet, rafdb or ckplus."),
    ] = "",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Split everything again, ignoring an earlier split.")
    ] = False,
) -> None:
    """Clean, split and document a data set. The source is only read.

    Photos larger than 112 pixels are searched for their face, which is cut out; photos with none
    or several are left out. Contempt and other classes are left out too. All that is left out is
    in OUT/exclusions.csv, with its reason.

    What SOURCE may be:

    - folders: faces/train/happy/1.png, in any depth, case and several languages

    - a table: labels.csv with file,emotion (001.jpg,happy) beside the pictures

    - FER-2013: fer2013.csv or icml_face_data.csv, with FER+'s fer2013new.csv beside it

    - FER+: FER2013Train/label.csv beside FER2013Train/fer0000002.png

    - RAF-DB: basic/ with EmoLabel/list_patition_label.txt (train_00001.jpg 5)

    - AffectNet: train_set/images/12.jpg and train_set/annotations/12_exp.npy; or training.csv;
      or folders 0 to 7

    - CK+: cohn-kanade-images/S005/001/… and Emotion/S005/001/…_emotion.txt; or ckextended.csv

    - JAFFE and KDEF: file names such as KA.AN1.39.tiff and AF01ANHL.JPG

    Example: mien data prepare downloads/fer2013 data/fer
    """
    from mien.data.decisions import FILE, read_decisions, read_given
    from mien.data.options import Options
    from mien.data.prepare import prepare as run
    from mien.workflows.judging import face_finder, judge_with, label_scores

    given = None if decisions is None else read_given(decisions)
    options = Options(
        mapping=_mapping(mapping or []), split=split, seed=seed, copies=copies,
        correlation=correlation, fresh=fresh, numbers=numbers,
    )  # fmt: skip
    with Stages() as stages:
        result = run(
            source,
            out,
            options,
            votes=votes,
            judge=judge_with(None if bundle == "none" else bundle, detector=detector),
            predictions=label_scores(
                predictions, bundle if bundle_labels else None, source, options.mapping
            ),
            decisions=given,
            finder=face_finder() if detector and not crops else None,
            progress=stages,
        )
    _print_summary(result, out)
    if given is not None:
        from mien.cli.plain import say

        unused = read_decisions(out / FILE).items() - given.items()
        if unused:
            say(
                f"{out / FILE}: {len(unused):,} of its decisions were not applied, since "
                f"{decisions} took its place; they stay: run without --decisions to apply them"
            )


@app.command()
def report(out: Out) -> None:
    """Rebuild report.html of a prepared folder.

    Example: mien data report data/fer
    """
    from mien.data.report_page import write_report

    typer.echo(write_report(out))


@app.command()
def review(
    out: Out,
    port: Annotated[int, typer.Option(help="Port of the page; 0 = any free one.")] = 8765,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Review flagged and excluded pictures in the browser, by keyboard; then prepare again.

    The page is served on this machine only and writes OUT/decisions.csv.

    Example: mien data review data/fer
    """
    from mien.data.reviewing import Review
    from mien.web.review import serve

    serve(Review.open(out), port=port, browser=browser)


@app.command()
def download(
    out: Annotated[
        Path | None, typer.Argument(help="Folder to copy it to; default: kagglehub's cache.")
    ] = None,
) -> None:
    """Download the FER-2013 image folders from Kaggle, or say how to do it by hand.

    Example: mien data download downloads/fer2013
    """
    from mien.data.download import fetch

    folder = fetch(out)
    typer.echo(f"{folder}\nNext: mien data prepare {folder} data/fer")


def _mapping(pairs: list[str]) -> dict[str, str]:
    mapping = {}
    for pair in pairs:
        name, sign, target = pair.partition("=")
        if not sign or not name or not target:
            raise ValueError(f"--map {pair}: write CLASS=EMOTION, such as bored=drop")
        mapping[name] = target
    return mapping


class Stages:
    """A line for each stage on a terminal, with a bar while it lasts."""

    def __enter__(self) -> Stages:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.bars = Progress(
            TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(),
            console=Console(stderr=True),
        )  # fmt: skip
        self.tasks: dict[str, object] = {}
        self.bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage."""
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(stage, total=total)
        self.bars.update(self.tasks[stage], completed=done, total=total)  # type: ignore[arg-type]


def _of_photos(result: Result) -> list[str]:
    """What became of pictures that are larger than a crop."""
    from mien.data.photos import LARGEST_CROP

    said = []
    if cut := int(((result.crops.face > 0) & (result.split >= 0)).sum()):
        said.append(f"{cut:,} photos: the face was found and cut out")
    if taken := int((result.crops.whole & (result.split >= 0)).sum()):
        said.append(
            f"{taken:,} pictures above {LARGEST_CROP} pixels were taken whole, without a search "
            "for their face"
        )
    return said


def _print_summary(result: Result, out: Path) -> None:
    from rich.console import Console

    from mien.cli.plain import grid, say
    from mien.data.placing import unheard
    from mien.emotions import EMOTIONS

    counts = result.counts()
    rows = []
    for i, emotion in enumerate(EMOTIONS):
        splits = [counts["after"][name][i] for name in ("train", "valid", "test")]
        cells = [counts["before"][i], sum(splits), *splits]
        rows.append([emotion.value, *(f"{n:,}" for n in cells)])
    Console().print(grid(["emotion", "before", "after", "train", "valid", "test"], rows))
    for title, numbers in (("left out", counts["reasons"]), ("to look at", counts["flags"])):
        if numbers:
            words = ", ".join(f"{n:,} {reason}" for reason, n in numbers.items())
            say(f"{title}: {words}")
    for sentence in (*result.listing.told, *_of_photos(result), unheard(result.notes)):
        if sentence:
            say(sentence)
    say(f"{counts['kept']:,} of {counts['read']:,} pictures in {out}")
    say(f"read {out / 'report.html'}; decide with: mien data review {out}")
