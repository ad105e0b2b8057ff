"""``mien data``: from a messy folder to a clean, split, documented data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.data.outputs import Result

app = typer.Typer(
    no_args_is_help=True,
    help="Clean, split and document pictures for training.\n\n"
    "Example: mien data prepare downloads/fer2013 data/fer",
)

Out = Annotated[Path, typer.Argument(help="The prepared folder.")]


@app.command()
def prepare(
    source: Annotated[
        Path, typer.Argument(help="Image folders, or fer2013.csv, or icml_face_data.csv.")
    ],
    out: Annotated[Path, typer.Argument(help="An empty folder, or one prepared before.")],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", help="FOLDER=EMOTION, or FOLDER=drop; may be repeated."),
    ] = None,
    votes: Annotated[
        Path | None, typer.Option(help="votes.csv or FER+'s fer2013new.csv, if not beside them.")
    ] = None,
    split: Annotated[
        str, typer.Option(help="Ratio of train:valid:test, or official, or keep.")
    ] = "8:1:1",
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    copies: Annotated[
        str, typer.Option(help="Of a group of copies keep one, or all (in one split).")
    ] = "one",
    correlation: Annotated[
        float, typer.Option(help="From which pictures count as copies; 2 for identical ones only.")
    ] = 0.92,
    bundle: Annotated[
        str, typer.Option(help="Model that helps to find what is no face; none for none.")
    ] = "default",
    detector: Annotated[
        bool, typer.Option(help="Ask the face detector about suspicious pictures.")
    ] = True,
    predictions: Annotated[
        Path | None, typer.Option(help="Out-of-fold predictions (.npz) to find wrong labels by.")
    ] = None,
    bundle_labels: Annotated[
        bool,
        typer.Option(
            "--bundle-labels", help="Find wrong labels by the bundle, if not trained on these."
        ),
    ] = False,
    decisions: Annotated[
        Path | None, typer.Option(help="Instead of OUT/decisions.csv, which stays.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget where an earlier run placed the pictures.")
    ] = False,
) -> None:
    """Read, check, group, clean, split and document a source; it is only read.

    Example: mien data prepare downloads/fer2013 data/fer --map contempt=drop
    """
    from mien.data.decisions import FILE, read_decisions, read_given
    from mien.data.options import Options
    from mien.data.prepare import prepare as run
    from mien.workflows.judging import judge_with, label_scores

    given = None if decisions is None else read_given(decisions)
    options = Options(
        mapping=_mapping(mapping or []), split=split, seed=seed, copies=copies,
        correlation=correlation, fresh=fresh,
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
    """Build report.html again from a prepared folder.

    Example: mien data report data/fer
    """
    from mien.data.report import write_report

    typer.echo(write_report(out))


@app.command()
def review(
    out: Out,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8765,
    browser: Annotated[bool, typer.Option(help="Open the page.")] = True,
) -> None:
    """Look at what was flagged or left out, decide by keyboard, and prepare again.

    The page is served to this machine alone and writes OUT/decisions.csv.

    Example: mien data review data/fer
    """
    from mien.data.reviewing import Review
    from mien.web.review import serve

    serve(Review.open(out), port=port, browser=browser)


@app.command()
def download(
    out: Annotated[
        Path | None, typer.Argument(help="Where to copy it; else kagglehub's cache.")
    ] = None,
) -> None:
    """Fetch the FER-2013 image folders from Kaggle, or say how to by hand.

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
            raise ValueError(f"--map {pair}: write FOLDER=EMOTION, such as contempt=drop")
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
    if told := unheard(result.notes):
        say(told)
    say(f"{counts['kept']:,} of {counts['read']:,} pictures in {out}")
    say(f"read {out / 'report.html'}; decide with: mien data review {out}")
