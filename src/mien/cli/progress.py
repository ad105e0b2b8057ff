"""How a training shows itself on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from rich.progress import Task, TaskID
    from rich.text import Text


class Speed(TextColumn):
    """Images a second, once there is one."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """The last half minute's mean."""
        from rich.text import Text

        return Text(f"{task.speed:,.0f} images/s" if task.speed else "", style="dim")


class Count(TextColumn):
    """Images done and in all, once it is known how many there are."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """Done of all."""
        from rich.text import Text

        return Text(f"{task.completed:,.0f}/{task.total:,.0f} images" if task.total else "")


class Bar:
    """A progress bar with images a second and time left on a terminal; a line an epoch anywhere."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(),
            Count(), Speed(), TimeRemainingColumn(),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self.task: TaskID | None = None

    def asked(self, done: int, total: int) -> None:
        """Show how far the teacher's answers are."""
        if self.task is None:
            self.progress.start()
            self.task = self.progress.add_task("asking the teacher", total=total, completed=done)
        self.progress.update(self.task, completed=done)
        if done == total:
            self.progress.remove_task(self.task)
            self.task = None

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(text, soft_wrap=True, highlight=False)

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        """Start, or go on with, the bar of the whole run."""
        text = f"epoch {epoch + 1}/{epochs}"
        if self.task is None:
            self.progress.start()
            self.task = self.progress.add_task(text, total=None)
        self.progress.update(
            self.task, description=text, total=images * epochs, completed=images * epoch
        )

    def advance(self, images: int) -> None:
        """Move on."""
        if self.task is not None:
            self.progress.advance(self.task, images)

    def end(self, row: dict[str, Any]) -> None:
        """Print the epoch's line."""
        cells = "  ".join(f"{key} {value}" for key, value in row.items())
        self.console.print(cells, soft_wrap=True, highlight=False)

    def standing(self, best: dict[str, Any], seconds_left: float) -> None:
        """Print the best epoch so far, where one is scored, and the time left."""
        parts = []
        for key, name in (("valid_accuracy", "validation"), ("held_label", "held-out")):
            if key in best:
                parts.append(f"best so far: epoch {best['epoch']}, {100 * best[key]:.1f} % {name}")
                break
        if seconds_left:
            minutes = seconds_left / 60
            left = f"{minutes:.0f} min" if minutes >= 1 else f"{seconds_left:.0f} s"
            parts.append(f"about {left} left")
        if parts:
            self.console.print("  ".join(parts), soft_wrap=True, highlight=False, style="dim")

    def close(self) -> None:
        """Take the bar away."""
        self.progress.stop()
