"""Progress: bars on a terminal of any width, lines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Task, TaskID

NARROW = 64
"""Columns below which a bar shows less, rather than cutting all that it shows."""
SCORES = {
    "valid_accuracy": "valid accuracy", "valid_macro_f1": "macro F1",
    "held_label": "held-out accuracy", "held_ballot": "votes accuracy",
}  # fmt: skip
"""Columns of a run's history that are shares, and what they are called on the screen."""


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``1 h 05 min``: as exact as an estimate is."""
    if seconds < 90:
        return f"{max(0, seconds):.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class _Speed(ProgressColumn):
    """Images a second, once it is known."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} images/s" if task.speed else "", style="dim")


class _Count(ProgressColumn):
    """Images done and in all, once it is known how many there are."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.completed:,.0f}/{task.total:,.0f}" if task.total else "")


class _Left(ProgressColumn):
    """Time left, once it can be told."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text("" if left is None else f"{duration(left)} left", style="cyan")


class Bar:
    """A training: on a terminal a bar with time left, anywhere a line for each epoch."""

    def __init__(self, console: Console) -> None:
        self.console = console
        wide = [] if console.width < NARROW else [_Count(), _Speed()]
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(None if not wide else 24), *wide, _Left(),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self.task: TaskID | None = None
        self.epochs = 0

    def asked(self, done: int, total: int) -> None:
        """Show how many of the pictures the teacher has scored."""
        if self.task is None:
            self.progress.start()
            self.task = self.progress.add_task("teacher", total=total, completed=done)
        self.progress.update(self.task, completed=done)
        if done == total:
            self.progress.remove_task(self.task)
            self.task = None

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(text, soft_wrap=True, highlight=False)

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """Start the bar of the whole run, or go on with it."""
        self.epochs = epochs
        text = f"epoch {epoch + 1}/{epochs}"
        if self.task is None:
            self.progress.start()
            self.task = self.progress.add_task(text, total=images * epochs)
        self.progress.update(
            self.task, description=text, total=images * epochs, completed=images * epoch
        )

    def advance(self, images: int) -> None:
        """Move on."""
        if self.task is not None:
            self.progress.advance(self.task, images)

    def end(self, row: dict[str, Any], best: dict[str, Any], seconds_left: float) -> None:
        """Print the epoch's line: loss, scores, the best so far, speed and time left."""
        cells = [f"epoch {row['epoch']:.0f}/{max(self.epochs, int(row['epoch']))}"]
        cells += [f"loss {row['loss']:.3f}"] if "loss" in row else []
        shown = [key for key in SCORES if key in row]
        cells += [f"{SCORES[key]} {100 * row[key]:.1f} %" for key in shown]
        if shown and shown[0] in best:
            cells.append(f"best {100 * best[shown[0]]:.1f} % (epoch {best['epoch']:.0f})")
        if "images_per_second" in row:
            cells.append(f"{row['images_per_second']:,.0f} images/s")
        if seconds_left:
            cells.append(f"{duration(seconds_left)} left")
        self.console.print("  ".join(cells), soft_wrap=True, highlight=False)

    def close(self) -> None:
        """Take the bar away."""
        self.progress.stop()


class Stages:
    """A bar for each stage of a job, on a terminal; nothing where there is none."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True)
        self.bars = Progress(
            TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), _Left(),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Stages:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage; one of no known total (0) is shown as under way."""
        known = total or None
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(stage, total=known)
        self.bars.update(self.tasks[stage], completed=done, total=known)
