"""Read the scores of any system, from our ``.npz`` or anyone's ``.csv``, and join the truth."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from mien.emotions import BALLOT, EMOTIONS, VOTE_COLUMNS, parse
from mien.measure.predictions import Predictions
from mien.naming import canonical

ID_COLUMNS = ("id", "source", "file", "filename", "file_name", "path", "image", "image_id", "name")
TRUTH_COLUMNS = ("y", "emotion", "truth", "true", "target", "label")
CHOICE_COLUMNS = ("prediction", "predicted", "pred", "top", "dominant_emotion")
_PREFIX = re.compile(r"^(label|scores?|prob(ability)?|proba|p|emotion)[\s._:-]+", re.IGNORECASE)


def read(path: Path | str) -> Predictions:
    """The predictions in a ``.npz``, a ``.csv``, or a folder that holds ``predictions.npz``.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: it is neither, or not understood; the message says what is wrong.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "predictions.npz"
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; `mien evaluate` writes predictions.npz")
    if path.suffix.lower() == ".csv":
        return from_csv(path)
    if path.suffix.lower() != ".npz":
        raise ValueError(f"{path}: not .npz or .csv; give a predictions file")
    return Predictions.load(path)


def from_csv(path: Path | str) -> Predictions:
    """One row a picture: an id and seven score columns, by any synonym of the emotions' names.

    The columns may carry a prefix (``prob_happy``). Rows are scaled to sum to 1, so percentages
    serve; a column of names (``prediction``) stands in for scores. Optional: ``ballot_<option>``
    (ten scores), ``y`` (the label's name, or its number in the order of ``EMOTIONS``),
    ``votes_<option>`` (ten counts).

    Raises:
        ValueError: no id, a missing emotion, or a cell that is not a score; the message names it.
    """
    path = Path(path)
    columns: dict[str, str] = {}
    rows: list[dict[str, str]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
            rows.extend(reader)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not UTF-8; save it as CSV UTF-8") from None
    except csv.Error as error:
        at = len(rows) + 2 if columns else 1
        raise ValueError(f"{path}: row {at}: {error}; close its quotes") from None
    key = next((columns[name] for name in ID_COLUMNS if name in columns), None)
    if key is None:
        raise ValueError(f"{path}: no column for the picture; name it one of {_list(ID_COLUMNS)}")
    for number, row in enumerate(rows, start=2):
        if not (row[key] or "").strip():
            raise ValueError(f"{path}: row {number} has no {key}; name the picture in each row")
    if "face" in columns:  # `mien predict` writes a row without one for a picture without faces
        rows = [row for row in rows if (row[columns["face"]] or "").strip()]
    if not rows:
        raise ValueError(f"{path}: no rows; give one per picture")

    ballot_columns = [columns.get(f"ballot_{option.lower()}") for option in BALLOT]
    vote_columns = [columns.get(name.lower()) for name in VOTE_COLUMNS]
    truth = next((columns[name] for name in TRUTH_COLUMNS if name in columns), None)
    table = Predictions(
        id=np.array([row[key].strip() for row in rows]),
        y=_truth(path, rows, truth),
        label=_label_scores(path, rows, columns),
        ballot=_scores(path, rows, ballot_columns) if all(ballot_columns) else None,
        counts=_counts(path, rows, vote_columns) if all(vote_columns) else None,
        system=path.stem,
    )
    try:
        return table.check()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def join(scores: Predictions, truth: Predictions) -> Predictions:
    """The rows that both hold, in the order of ``truth``, with its y, votes, groups and split.

    Ids match whole, or by file name without suffix where that is unique on both sides.

    Raises:
        ValueError: no row is common to both.
    """
    rows, theirs = common_rows(truth.id, scores.id)
    if not len(rows):
        raise ValueError(
            f"no picture in common: one side has ids such as {str(scores.id[0])!r}, "
            f"the other {str(truth.id[0])!r}"
        )
    base, taken = truth.take(rows), scores.take(theirs)
    return replace(base, label=taken.label, ballot=taken.ballot, system=scores.system)


def common_rows(
    a: NDArray[np.str_], b: NDArray[np.str_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of ``a`` and of ``b`` that name the same pictures, in the order of ``a``.

    Names match in any Unicode form, with either slash and with or without ``./``.
    """
    names_a, names_b = ([canonical(name) for name in side.tolist()] for side in (a, b))
    if not set(names_a) & set(names_b):
        stems_a, stems_b = [_stem(n) for n in names_a], [_stem(n) for n in names_b]
        if len(set(stems_a)) == len(stems_a) and len(set(stems_b)) == len(stems_b):
            names_a, names_b = stems_a, stems_b
    row_of = {name: row for row, name in enumerate(names_b)}
    pairs = [(row, row_of[name]) for row, name in enumerate(names_a) if name in row_of]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _label_scores(
    path: Path, rows: list[dict[str, str]], columns: dict[str, str]
) -> NDArray[np.float64]:
    found: dict[str, str] = {}
    for name, column in columns.items():
        emotion = parse(_PREFIX.sub("", name))
        if emotion is not None:
            if emotion in found:
                raise ValueError(
                    f"{path}: {found[emotion]} and {column} are both scores of {emotion}; leave "
                    "one out, or rename it"
                )
            found[emotion] = column
    if len(found) == len(EMOTIONS):
        return _scores(path, rows, [found[e] for e in EMOTIONS])
    choice = next((columns[name] for name in CHOICE_COLUMNS if name in columns), None)
    if found or choice is None:
        lacking = ", ".join(e for e in EMOTIONS if e not in found)
        raise ValueError(f"{path}: no score column for {lacking}; columns are {_list((*columns,))}")
    scores = np.zeros((len(rows), len(EMOTIONS)))
    for i, row in enumerate(rows):
        emotion = parse(row[choice] or "")
        if emotion is None:
            raise ValueError(f"{path}: {row[choice]!r} in {choice} is not one of {_list(EMOTIONS)}")
        scores[i, emotion.position] = 1
    return scores


def _scores(
    path: Path, rows: list[dict[str, str]], columns: list[str | None]
) -> NDArray[np.float64]:
    values = _numbers(path, rows, columns)
    total = values.sum(axis=1)
    bad = ~np.isfinite(values).all(axis=1) | (values < 0).any(axis=1) | (total <= 0)
    if bad.any():
        raise ValueError(
            f"{path}: row {int(bad.argmax()) + 2} has an empty or negative score; give "
            "probabilities (apply softmax to logits first)"
        )
    return np.asarray(values / total[:, None])


def _counts(path: Path, rows: list[dict[str, str]], columns: list[str | None]) -> NDArray[np.int64]:
    values = _numbers(path, rows, columns)
    known = np.isfinite(values).all(axis=1) & (values != -1).any(axis=1)
    broken = known & ((values != np.floor(values)) | (values < 0)).any(axis=1)
    if broken.any():
        raise ValueError(
            f"{path}: row {int(broken.argmax()) + 2} has votes that are not counts; give whole "
            "numbers of people, since shares do not say how many were asked"
        )
    values[~known] = -1
    return values.astype(np.int64)


def _numbers(
    path: Path, rows: list[dict[str, str]], columns: list[str | None]
) -> NDArray[np.float64]:
    values = np.full((len(rows), len(columns)), np.nan)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            cell = (row[column or ""] or "").strip().removesuffix("%")
            try:
                values[i, j] = float(cell) if cell else np.nan
            except ValueError:
                raise ValueError(
                    f"{path}: row {i + 2}, {column}: {cell!r} is not a number"
                ) from None
    return values


def _truth(path: Path, rows: list[dict[str, str]], column: str | None) -> NDArray[np.int64]:
    if column is None:
        return np.full(len(rows), -1, np.int64)
    cells = [(row[column] or "").strip() for row in rows]
    if column.strip().lower() != "y" and any(_number(cell) is not None for cell in cells):
        raise ValueError(
            f"{path}: column {column} holds numbers, and FER-2013's order is not mien's; give "
            f"names, or a column y with 0 to {len(EMOTIONS) - 1} in the order {_list(EMOTIONS)}"
        )
    found = [_index(cell) for cell in cells]
    if any(index is not None and index >= 0 for index in found) and None in found:
        at = found.index(None)
        raise ValueError(
            f"{path}: row {at + 2}, {column}: {cells[at]!r} is not an emotion; correct it, or "
            "leave it empty where the picture shows none of the seven"
        )
    return np.array([-1 if index is None else index for index in found], np.int64)


def _index(cell: str) -> int | None:
    """Position of an emotion; -1 where there is none, None where the cell is not understood."""
    emotion = parse(cell)
    if emotion is not None:
        return emotion.position
    number = _number(cell)
    if number is None:
        return None if cell else -1
    return number if -1 <= number < len(EMOTIONS) else None


def _number(cell: str) -> int | None:
    """A whole number, as pandas writes it too where a cell is empty: ``3.0``."""
    whole = cell.removesuffix(".0").removeprefix("-")
    return int(float(cell)) if whole.isdecimal() else None
