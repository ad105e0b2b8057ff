"""Pictures as rows of a flat table: one row a face, and one for a picture without faces."""

from __future__ import annotations

from typing import Any

from mien.emotions import BALLOT, EMOTIONS
from mien.infer.record import Made
from mien.infer.results import Face, Picture, written

Row = dict[str, Any]

_SCORES = {
    **{f"expression_{e.value}": float for e in EMOTIONS},
    **{f"votes_{e.value}": float for e in EMOTIONS},
    **{f"label_{e.value}": float for e in EMOTIONS},
    **{f"ballot_{option}": float for option in BALLOT},
}

FACE_COLUMNS: dict[str, type] = {
    "box_left": float,
    "box_top": float,
    "box_right": float,
    "box_bottom": float,
    "detector_score": float,
    "score": float,
    "detected": bool,
    "top": str,
    "unclear": float,
    "is_unclear": bool,
    "reasons": str,
    **_SCORES,
}

COLUMNS: dict[str, type] = {
    "source": str,
    "width": int,
    "height": int,
    "faces": int,
    "face": int,
    **FACE_COLUMNS,
    "error": str,
    "model": str,
    "head": str,
    "model_sha256": str,
    "mien_version": str,
}
"""Columns and their types, in order. ``faces`` is the number of faces in the picture and ``face``
the number of this one, from 0; a cell is None where it does not apply.
``reasons`` are words with a space between two, and empty for a face that has none.
``score`` is what ``detector_score`` was called before, for one release."""


def rows(picture: Picture, made: Made) -> list[Row]:
    """The rows of one picture, every column of ``COLUMNS`` in each.

    Args:
        picture: what ``analyze_many`` gave.
        made: how, for the columns that say so.
    """
    common = dict.fromkeys(COLUMNS) | {
        "source": written(picture.source),
        "width": picture.width,
        "height": picture.height,
        "faces": len(picture.faces),
        **made.columns(),
    }
    if picture.error is not None:
        return [common | {"width": None, "height": None, "error": written(picture.error)}]
    if not picture.faces:
        return [common]
    return [common | {"face": i} | face_cells(face) for i, face in enumerate(picture.faces)]


def face_cells(face: Face) -> Row:
    """The cells of ``FACE_COLUMNS``, rounded as in JSON."""
    plain = face.to_dict()
    plain["reasons"] = " ".join(plain["reasons"])
    corners = ("box_left", "box_top", "box_right", "box_bottom")
    cells: Row = dict(zip(corners, plain["box"], strict=True))
    for group in ("expression", "votes", "label", "ballot"):
        cells |= {f"{group}_{name}": score for name, score in plain[group].items()}
    return cells | {name: plain[name] for name in FACE_COLUMNS if name not in cells}
