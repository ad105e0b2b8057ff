"""How results show themselves in a notebook: HTML, plots with matplotlib, tables with pandas."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from mien.emotions import EMOTIONS, Emotion
from mien.images import ImageError, read
from mien.infer.panels import COLOURS, UNCLEAR_COLOUR, percent
from mien.infer.record import Made
from mien.infer.results import Expression, Face, Picture, Scores
from mien.infer.rows import COLUMNS, Row, face_cells, rows

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

MOST = 20
"""Faces of which HTML shows the bars."""

_MADE = tuple(Made("").columns())


def html(result: Scores | Picture | Face) -> str:
    """A block of HTML with a bar for each score; text from outside is escaped."""
    if isinstance(result, Face):
        return _block(escape(repr(result)), [result.expression])
    if isinstance(result, Picture):
        if result.error is not None:
            return f"<div><b>{escape(result.error)}</b></div>"
        size = f"{result.width}x{result.height}"
        head = f"{escape(result.source)} <small>{size}</small>"
        return _block(
            head if result.faces else f"{head}: no face found", [f.expression for f in result.faces]
        )
    shown = [expression for expression, _ in zip(result.expressions(), range(MOST), strict=False)]
    return _block(escape(repr(result)), shown, len(result))


def plot(result: Scores | Picture | Face, axes: Axes | None = None) -> Axes:
    """Draw with matplotlib; see the methods ``plot`` of the results."""
    if axes is None:
        import matplotlib.pyplot as plt

        axes = plt.subplots(figsize=(6, 3))[1]
    if isinstance(result, Picture):
        return _picture(result, axes)
    if isinstance(result, Face):
        shares = list(result.expression.scores.values())
        doubt, title = result.expression.unclear, _headline(result.expression)
        head = result.expression.head
    else:
        if not len(result):
            raise ValueError("no crops were scored, so there is nothing to plot")
        shares, doubt = result.expression.mean(axis=0).tolist(), float(result.unclear.mean())
        head, title = "expression", f"mean of {len(result):,} crops"
    names = [*(emotion.name_in("en") for emotion in EMOTIONS), "unclear"]
    colours = [*(COLOURS[emotion] for emotion in EMOTIONS), UNCLEAR_COLOUR]
    axes.barh(names, [*shares, doubt], color=colours)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of people" if head == "votes" else "probability")
    axes.set_title(title)
    return axes


def to_pandas(results: Scores | Picture | Face | Iterable[Picture | Face]) -> pandas.DataFrame:
    """A tidy table: one row a face, or a crop of ``Scores``; scores are not rounded in ``Scores``.

    Args:
        results: what ``classify``, ``analyze`` or ``analyze_many`` gave.

    Returns:
        For pictures the columns of ``mien predict --csv`` up to ``error``: a picture without a
        face, or one that cannot be read, has one row. For faces and scores, those of a face.

    Raises:
        ImportError: pandas is not installed.
        TypeError: something else among the results.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise ImportError("to_pandas needs pandas; install it with: pip install pandas") from None
    if isinstance(results, Scores):
        return pd.DataFrame(_scores(results))
    entries = [results] if isinstance(results, Picture | Face) else list(results)
    if all(isinstance(entry, Face) for entry in entries) and entries:
        faces = [entry for entry in entries if isinstance(entry, Face)]
        return pd.DataFrame([{"face": i} | face_cells(face) for i, face in enumerate(faces)])
    table: list[Row] = []
    for entry in entries:
        if not isinstance(entry, Picture):
            raise TypeError(
                f"results hold a {type(entry).__name__}; give Scores, or a list of Picture or Face"
            )
        table += rows(entry, Made(""))
    columns = [name for name in COLUMNS if name not in _MADE]
    return pd.DataFrame(table, columns=columns)


def _scores(scores: Scores) -> dict[str, Any]:
    expressions = list(scores.expressions())
    table: dict[str, Any] = {
        "top": [expression.top.value for expression in expressions],
        "unclear": scores.unclear,
        "is_unclear": [expression.is_unclear for expression in expressions],
    }
    for group in ("expression", "votes", "label", "ballot"):
        for at, name in enumerate(getattr(expressions[0], group, ()) if expressions else ()):
            key = name.value if isinstance(name, Emotion) else name
            table[f"{group}_{key}"] = getattr(scores, group)[:, at]
    return table


def _headline(expression: Expression) -> str:
    doubt = " (unclear)" if expression.is_unclear else ""
    return f"{expression.top.name_in('en')} {percent(expression.confidence)}{doubt}"


def _block(head: str, expressions: list[Expression], total: int = 0) -> str:
    bars = "".join(_bars(expression) for expression in expressions[:MOST])
    rest = max(total, len(expressions)) - MOST
    more = f"<div>… and {rest:,} more</div>" if rest > 0 else ""
    row = f"<div style='display:flex;flex-wrap:wrap;gap:1em'>{bars}</div>"
    return f"<div><b>{head}</b>{row}{more}</div>"


def _bars(expression: Expression) -> str:
    lines = [
        (emotion.name_in("en"), share, COLOURS[emotion])
        for emotion, share in expression.scores.items()
    ]
    lines.append(("unclear", expression.unclear, UNCLEAR_COLOUR))
    cells = "".join(
        f"<tr><td style='text-align:left'>{name}</td><td>{escape(percent(share))}</td><td>"
        f"<div style='background:{colour};height:.8em;width:{6 * share:.2f}em'></div></td></tr>"
        for name, share, colour in lines
    )
    return f"<table><caption>{escape(_headline(expression))}</caption>{cells}</table>"


def _picture(picture: Picture, axes: Axes) -> Axes:
    from matplotlib.patches import Rectangle

    try:
        axes.imshow(read(picture.source))
    except ImageError:  # it had no path, or is gone: its faces still have their places
        axes.set_xlim(0, max(1, picture.width))
        axes.set_ylim(max(1, picture.height), 0)
        axes.set_aspect("equal")
    for face in picture.faces:
        left, top, right, bottom = face.box
        colour = COLOURS[face.expression.top]
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec=colour))
        axes.text(left, top, _headline(face.expression), color=colour, va="bottom")
    # dollar signs in a name are no formula
    axes.set_title(picture.error or picture.source, parse_math=False)
    axes.set_axis_off()
    return axes
