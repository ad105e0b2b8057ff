"""``mien pipeline``: from a folder of faces to trained models and one report."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from mien.cli.plain import counted, grid, say
from mien.cli.progress import Bar, Stages, duration
from mien.workflows.settings import Talk

if TYPE_CHECKING:
    from mien.train.watch import Watcher
    from mien.workflows.plan import Plan


def pipeline(
    source: Annotated[
        Path, typer.Argument(metavar="DATA", help="A folder or table of faces, raw or prepared.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write to; give the same one to resume.")],
    budget: Annotated[
        str | None,
        typer.Option(help="Time to spend: 45m, 2h. Default: 2h on a CPU, 20m on a GPU."),
    ] = None,
    families: Annotated[
        str,
        typer.Option(help="Comma-separated: families, recipes, or any network that timm knows."),
    ] = "vgg19,resnet,efficientnet,mobilenet",
    as_written: Annotated[
        bool,
        typer.Option(
            "--as-written",
            help="Train each recipe for its own epochs, at its own sizes, however long it takes.",
        ),
    ] = False,
    student: Annotated[
        str,
        typer.Option(help="Recipe of a small int8 model that is distilled from the ensemble."),
    ] = "",
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="Recipe key for every training, KEY=VALUE; may be repeated."),
    ] = None,
    teacher: Annotated[
        str,
        typer.Option(
            help="Model that members learn from, unless it was trained on these pictures; or none."
        ),
    ] = "default",
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Train on the pictures as they are, without preparing them."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the split and of the trainings.")] = 0,
    draws: Annotated[
        int, typer.Option(help="Bootstrap resamples behind each interval.", min=10)
    ] = 1000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
) -> None:
    """Train, join and measure models: one command from a folder of faces to a report.

    Cleans and splits the data, trains each family by transfer learning within the budget, joins
    them into an ensemble, exports it, and measures everything on the test split. Run the same
    command again to resume after a stop.

    Example: mien pipeline downloads/fer2013 project --budget 90m

    Example: mien pipeline downloads/fer2013 project --student small
    """
    from mien.cli.train import keep_pages

    keep_pages()
    from mien.train.watch import Stopped
    from mien.workflows.judging import face_finder, judge_with
    from mien.workflows.members import ENSEMBLE
    from mien.workflows.pipeline import pipeline as run
    from mien.workflows.plan import to_seconds
    from mien.workflows.settings import STUDENT, Options

    options = Options(
        families=tuple(name.strip() for name in families.split(",") if name.strip()),
        budget=None if budget is None else to_seconds(budget), as_written=as_written,
        student=student, overrides=tuple(recipe or ()),
        teacher="" if teacher == "none" else teacher, raw=raw, seed=seed, draws=draws,
    )  # fmt: skip
    talk = _Screen()
    try:
        done = run(
            source, out, options, dry_run=dry_run, talk=talk,
            judge=judge_with("default"), finder=face_finder(),
        )  # fmt: skip
    except Stopped as stop:
        talk.close()
        say("stopped; the same command resumes")
        raise typer.Exit(128 + stop.number) from None
    finally:
        talk.close()
    if dry_run:
        return
    rows = [
        [name, f"{100 * a['value']:.1f} %", f"{100 * a['low']:.1f}–{100 * a['high']:.1f}"]
        for name, a in done.accuracy.items()
    ]
    Console().print(grid(["model", "test accuracy", "95 % interval"], rows))
    taken = [[step, duration(spent)] for step, spent in done.seconds.items()]
    taken.append(["all", duration(sum(done.seconds.values()))])
    Console().print(grid(["step", "time"], taken))
    best = out / (STUDENT if student else ENSEMBLE)
    say(f"read {done.report}; try: mien predict --model {best} PHOTO")


class _Screen(Talk):
    """Shows a pipeline on the terminal: a line a step, a bar within it."""

    def __init__(self) -> None:
        self.console = Console()
        self.open: Stages | Bar | None = None

    def close(self) -> None:
        """Take a bar away that is still there."""
        if isinstance(self.open, Stages):
            self.open.bars.stop()
        elif self.open is not None:
            self.open.close()
        self.open = None

    def line(self, text: str) -> None:
        """Print a line."""
        self.close()
        say(text, self.console)

    def plan(self, made: Plan, images: int, left: float) -> None:
        """Print what is trained, at what size, for how long, and when it will be done."""
        self.close()
        rows = [
            [c.member, c.recipe, " then ".join(f"{size} px" for size in c.sizes), str(c.epochs),
             duration(c.seconds) if c.seconds else "as written"]
            for c in made.choices
        ]  # fmt: skip
        title = f"training on {counted(images, 'picture')}"
        title += f", {duration(made.budget)} in all" if made.budget else ""
        columns = ["network", "recipe", "picture size", "epochs", "time"]
        self.console.print(grid(columns, rows, words=(0, 1, 2), title=title))
        if not made.budget:
            return
        end = datetime.now().astimezone() + timedelta(seconds=left)
        say(f"done by about {end:%H:%M} if nothing else runs on this machine", self.console)

    def stage(self, name: str, done: int, total: int) -> None:
        """Move the bar of a stage."""
        if not isinstance(self.open, Stages):
            self.close()
            self.open = Stages(self.console)
            self.open.bars.start()
        self.open(name, done, total)

    def watch(self, member: str) -> Watcher:
        """A training's bar."""
        self.close()
        self.open = Bar(self.console)
        return self.open
