"""Lines and tables that show text as it is: a path may hold [brackets], and is never cut in two."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from mien.measure.tables import Table as Figures


# Control characters, and those that change the direction of text or end a line: file names may
# hold them, and a terminal obeys them.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str, *, lines: bool = False) -> str:
    r"""Text with what a terminal would obey written out, such as ``\x1b``.

    Args:
        text: from anywhere.
        lines: leave line ends and tabs as they are.
    """

    def escaped(found: re.Match[str]) -> str:
        letter = found[0]
        return letter if lines and letter in "\n\t" else ascii(letter)[1:-1]

    return _OBEYED.sub(escaped, text)


def visible_json(text: str) -> str:
    """JSON as a terminal may see it: the same document, by JSON's own escapes."""
    return _OBEYED.sub(
        lambda found: found[0] if found[0] in "\n\t" else f"\\u{ord(found[0]):04x}", text
    )


def say(text: str, console: Console | None = None) -> None:
    """Print one line."""
    text = visible(text, lines=True)
    (console or Console()).print(text, markup=False, highlight=False, soft_wrap=True)


def grid(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: Collection[int] = (0,),
    title: str = "",
) -> Table:
    """A table of text.

    Args:
        columns: headings.
        rows: a text a column each.
        words: numbers of the columns that hold words; the others hold numbers.
        title: above it.
    """
    table = Table(
        title=Text(title, style="table.title") if title else None,
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for number, column in enumerate(columns):
        justify: JustifyMethod = "left" if number in words else "right"
        table.add_column(Text(column), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell, lines=True)) for cell in row))
    return table


def show(figures: Figures, console: Console) -> None:
    """Print a table of figures, with its note below."""
    console.print(grid(figures.columns, figures.rows, title=figures.title))
    if figures.note:
        console.print(figures.note, style="dim", markup=False)
        console.print()


def counted(count: int, one: str, many: str = "") -> str:
    """A number and what it counts, in the singular or the plural."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
