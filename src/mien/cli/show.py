"""How ``mien predict`` shows faces, progress and the summary on a terminal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mien.cli.plain import counted
from mien.emotions import EMOTIONS, Emotion
from mien.infer.job import Summary
from mien.infer.panels import COLOURS, percent
from mien.infer.results import Expression, Face, Picture
from mien.strings import strings

FEW = 3
"""Up to so many faces are shown with a bar for each score; more as one table."""
SHOWN = 100
"""Most pictures in a table."""

_BAR = 24  # characters
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def _words(language: str) -> dict[str, str]:
    words: dict[str, str] = strings(language)["terminal"]
    return words


def bar(share: float, width: int = _BAR) -> str:
    """A bar of block characters, an eighth of a character fine."""
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def sentence(expression: Expression, language: str) -> str:
    """What the scores say, in one line."""
    words = _words(language)
    name = expression.top.name_in(language)
    said = words[expression.head].format(
        name=name,
        n=round(expression.votes[expression.top] * 10),
        share=percent(expression.confidence),
    )
    if expression.is_unclear:
        doubt = words["doubt"].format(n=round(expression.unclear * 10))
        return f"{said} ({doubt})"
    return said


def reasons(face: Face, language: str) -> str:
    """Why a face is hard to read, in words; nothing where nothing is the matter."""
    words = _words(language)
    return ", ".join(words[reason] for reason in face.reasons)


def pictures(found: list[Picture], language: str) -> RenderableType:
    """Faces of readable pictures: bars for a few, one table for many."""
    readable = [picture for picture in found if picture.error is None]
    if sum(len(picture.faces) for picture in readable) <= FEW and len(readable) <= FEW:
        return Group(*(_detailed(picture, language) for picture in readable))
    return _table(readable, language)


def _detailed(picture: Picture, language: str) -> RenderableType:
    head = Text(picture.source, style="bold")
    head.append(f"  {picture.width}x{picture.height}", style="dim")
    if not picture.faces:
        return Group(head, Text(f"  {_words(language)['none']}\n"))
    parts: list[RenderableType] = [head]
    for i, face in enumerate(picture.faces, start=1):
        expression = face.expression
        line = Text("  ")
        if len(picture.faces) > 1:
            line.append(f"{_words(language)['face']} {i}  ", style="bold")
        line.append(sentence(expression, language))
        if face.reasons:
            line.append(f" · {_words(language)['hard'].format(reasons=reasons(face, language))}")
        if face.detected:
            left, top, right, bottom = (round(v) for v in face.box)
            line.append(f"  ({left}, {top}) to ({right}, {bottom})", style="dim")
        parts += [line, _bars(expression, language), Text()]
    return Group(*parts)


def _bars(expression: Expression, language: str) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column(width=_BAR)
    for emotion in EMOTIONS:
        score = expression.scores[emotion]
        style = "bold" if emotion == expression.top else "dim"
        name = Text(f"    {emotion.name_in(language)}", style=style)
        grid.add_row(
            name, Text(percent(score), style=style), Text(bar(score), style=COLOURS[emotion])
        )
    name = Text(f"    {_words(language)['unclear']}", style="dim italic")
    share = Text(percent(expression.unclear), style="dim italic")
    grid.add_row(name, share, Text(bar(expression.unclear), style="dim"))
    return grid


def _table(found: list[Picture], language: str) -> Table:
    """A row a face: its top emotion with a bar or its reasons, and the next two."""
    words = _words(language)
    root = _root([picture.source for picture in found])
    table = Table(box=None, pad_edge=False, header_style="bold")
    where = words["picture"] + (f" · {root}" if root else "")
    # only this column may wrap, so that it alone gives way; its texts are cut short instead
    table.add_column(_short(where), ratio=1)
    table.add_column(words["looks"], no_wrap=True, justify="right")
    hard = any(face.reasons for picture in found for face in picture.faces)
    if not hard:
        table.add_column(width=10)
    table.add_column(words["next"], no_wrap=True)
    table.add_column(words["unclear"], no_wrap=True, justify="right")
    if hard:
        table.add_column(words["hardTitle"], no_wrap=True)
    for picture in found:
        name = _short(os.path.relpath(picture.source, root) if root else picture.source)
        if not picture.faces:
            table.add_row(name, Text(words["none"], style="dim"))
        for i, face in enumerate(picture.faces):
            cells = _cells(face.expression, language)
            if hard:  # in the place of the bar
                cells = [cells[0], *cells[2:], Text(reasons(face, language).replace(", ", ",\n"))]
            table.add_row(name if i == 0 else Text(), *cells)
    return table


def _short(text: str) -> Text:
    return Text(text, no_wrap=True, overflow="ellipsis")


def _root(sources: list[str]) -> str:
    """The folder that all sources have in common, or nothing."""
    try:
        return os.path.commonpath([str(Path(source).parent) for source in sources])
    except ValueError:  # relative beside absolute, or none
        return ""


def _cells(expression: Expression, language: str) -> list[Text]:
    (name, score), *others = expression.named(language).items()
    colour = COLOURS[expression.top]
    top = Text(f"{name} {percent(score)}", style="bold")
    rest = ", ".join(f"{other} {percent(share)}" for other, share in others[:2])
    doubt = Text(percent(expression.unclear), style="bold" if expression.is_unclear else "dim")
    if expression.is_unclear:
        doubt.append(" ?")
    return [top, Text(bar(score, 10), style=colour), Text(rest, style="dim"), doubt]


@contextmanager
def progress(console: Console, total: int, *, visible: bool) -> Iterator[Callable[[str], None]]:
    """A bar with the speed and the time left; silent where there is no terminal.

    Yields:
        A function to call after each picture, with the speed as text.
    """
    bars = Progress(
        BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}", justify="right"),
        TimeRemainingColumn(), console=console, transient=True, redirect_stdout=False,
        disable=not (visible and console.is_terminal),
    )  # fmt: skip
    with bars:
        task = bars.add_task("", total=total, speed="")
        yield lambda speed: bars.update(task, advance=1, speed=speed)


def summary(result: Summary, language: str = "en") -> str:
    """Counts, errors and speed in a few lines."""
    lines = [
        f"{counted(result.pictures, 'picture')}, {counted(result.faces, 'face')}, "
        f"{result.faceless:,} without a face, {result.errors:,} could not be read"
    ]
    if result.before:
        lines.append(f"{result.before:,} more were there from an earlier run")
    if result.unread:
        lines.append(f"{result.unread:,} of those could not be read then; --retry tries them again")
    if result.faces:
        counts = (
            f"{Emotion(name).name_in(language)} {count:,}"
            for name, count in result.tops.most_common()
        )
        lines.append(" · ".join(counts))
    lines.append(f"{result.seconds:,.1f} s, {result.speed:,.1f} pictures a second")
    return "\n".join(lines)
