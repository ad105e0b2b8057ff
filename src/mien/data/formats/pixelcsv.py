"""Pictures as text: ``fer2013.csv``, ``icml_face_data.csv``, ``ckextended.csv`` and their like.

    emotion,pixels,Usage
    0,70 80 82 …,Training

0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise, 6 neutral, 7 contempt (CK+ alone).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.data.entries import USAGES, Listing, no_votes
from mien.data.text_table import columns_of, delimiter, refuse_binary, shown
from mien.data.words import (
    NO_LABEL,
    UNLABELLED,
    Class,
    numbered,
    split_of,
    understand,
    unknown_names,
    whole,
)

FILES = ("fer2013.csv", "icml_face_data.csv", "ckextended.csv")
USAGE_COLUMNS = ("usage", "split", "set", "subset", "partition")
LABEL_COLUMNS = ("emotion", "label", "expression", "class")
SIDES = 4096
"""Longest side of a picture that is read from text."""


def header(path: Path) -> list[str]:
    """Column names of a CSV, lower case and without the spaces that icml_face_data.csv has.

    Raises:
        ValueError: an archive, UTF-16 or another file that is no text.
    """
    refuse_binary(path)
    with path.open("rb") as file:
        first = file.readline(1 << 16).decode("utf-8-sig", "replace").rstrip("\r\n")
    return columns_of(first.split(delimiter(first)))


def is_pixel_csv(path: Path) -> bool:
    """Whether a file has a column of pixels."""
    return "pixels" in header(path)


def list_csv(path: Path, mapping: Mapping[str, str], numbers: str = "") -> Listing:
    """Find every row of a pixel CSV without keeping its pixels in memory.

    Rows are named as FER+ names them (``fer0000012.png`` is row 12). Labels are the contest's
    numbers or words; ``mapping`` applies to either. Rows that hold neither a label nor pixels are
    passed over; a row with another number of columns is listed without pixels.

    Raises:
        ValueError: columns are missing, or a label is not understood.
    """
    columns = header(path)
    label = next((name for name in LABEL_COLUMNS if name in columns), "")
    if not label or "pixels" not in columns:
        raise ValueError(f"{path}: no columns emotion and pixels; it has {shown(columns)}")
    at_label, at_pixels = columns.index(label), columns.index("pixels")
    at_usage = next((columns.index(name) for name in USAGE_COLUMNS if name in columns), None)
    classes = numbered(numbers or "fer2013")
    known: dict[str, Class | None] = {"": Class(UNLABELLED, NO_LABEL, "the row has no label")}
    emotion: list[int] = []
    usage: list[str] = []
    start: list[int] = []
    length: list[int] = []
    outside: dict[int, tuple[str, str]] = {}
    unknown: Counter[str] = Counter()
    empty = 0
    with path.open("rb") as file:
        first = file.readline()
        mark = delimiter(first.decode("utf-8", "replace")).encode()
        position = len(first)
        for line in file:
            spans = _cells(line, mark)
            cells = [line[a:b].strip() for a, b in spans]
            if any(cells):
                whole_row = len(spans) == len(columns)
                word = cells[at_label].decode("utf-8", "replace") if whole_row else ""
                if word not in known:
                    known[word] = understand(whole(word), mapping, classes)
                found = known[word]
                if found is None:
                    unknown[word] += 1
                    found = Class(UNLABELLED)
                if not whole_row:
                    detail = f"the row has {len(spans)} columns, the header {len(columns)}"
                    found = Class(UNLABELLED, NO_LABEL, detail)
                if found.reason:
                    outside[len(emotion)] = (found.reason, found.detail)
                emotion.append(found.emotion)
                part = cells[at_usage] if whole_row and at_usage is not None else b""
                usage.append(part.decode("utf-8", "replace"))
                a, b = spans[at_pixels] if whole_row else (0, 0)
                start.append(position + a)
                length.append(b - a)
            else:
                empty += 1
            position += len(line)
    if unknown:
        raise unknown_names(unknown, f"{path}: labels", classes)
    if not emotion:
        raise ValueError(f"{path}: no rows; download the file again")
    strange = Counter(u for u in usage if u and not split_of(u))
    told = [f"{path}: {empty:,} rows without label and pixels were passed over"] if empty else []
    if strange:
        words = ", ".join(repr(word[:24]) for word, _ in strange.most_common(4))
        told.append(f"{path}: {strange.total():,} rows name an unknown split, such as {words}")
    return Listing(
        root=path,
        id=[f"fer{row:07d}.png" for row in range(len(emotion))],
        emotion=np.array(emotion, np.int64),
        split=[split_of(u) for u in usage],
        usage=[u if u.lower() in USAGES else "" for u in usage],
        votes=no_votes(len(emotion)),
        start=np.array(start, np.int64),
        length=np.array(length, np.int64),
        outside=outside,
        told=tuple(told),
    )


def _cells(line: bytes, mark: bytes) -> list[tuple[int, int]]:
    """Where each cell of a line begins and ends, without the quotes around it."""
    spans = []
    at, end = 0, len(line.rstrip(b"\r\n"))
    while True:
        quote = at
        while line[quote : quote + 1] == b" ":
            quote += 1
        if line[quote : quote + 1] == b'"' and (close := line.find(b'"', quote + 1, end)) >= 0:
            after = line.find(mark, close, end)
            spans.append((quote + 1, close))
        else:
            after = line.find(mark, at, end)
            spans.append((at, end if after < 0 else after))
        if after < 0:
            return spans
        at = after + 1


def decode_pixels(text: bytes) -> NDArray[np.uint8]:
    """The square grey picture (H, H) that a ``pixels`` field spells out.

    Numbers stand apart by spaces, commas or semicolons, in brackets or not; whole numbers may be
    written as ``70.0``.

    Raises:
        ValueError: other characters than numbers, fractions, values outside 0 to 255, or no square
            count.
    """
    text = text.strip().strip(b'"').strip()
    if not text:
        raise ValueError("the pixels column is empty")
    if re.search(rb"[^0-9 ]", text):
        text = re.sub(rb"[\[\](),;\t]", b" ", text)
        if re.search(rb"[^0-9. eE+-]", text):
            raise ValueError("the pixels column holds something other than numbers")
    try:
        values = np.array(text.split(), dtype=np.float64)
    except ValueError:
        raise ValueError("the pixels column holds something other than numbers") from None
    side = int(len(values) ** 0.5)
    if side * side != len(values) or side == 0 or side > SIDES:
        raise ValueError(f"{len(values)} pixels do not make a square picture")
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255:
        raise ValueError(f"a pixel value of {values[values.argmax()]:g}, outside of 0 to 255")
    if (values != np.floor(values)).any():
        raise ValueError("pixel values with fractions; write whole numbers from 0 to 255")
    return values.astype(np.uint8).reshape(side, side)
