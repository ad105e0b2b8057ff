"""FER-2013 as CSV: ``fer2013.csv``, ``icml_face_data.csv`` and their like, one row a picture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mien.data.folders import understand, unknown_names
from mien.data.listing import USAGES, Listing, no_votes
from mien.emotions import Emotion

FER_ORDER = (
    Emotion.ANGRY, Emotion.DISGUST, Emotion.FEAR, Emotion.HAPPY,
    Emotion.SAD, Emotion.SURPRISE, Emotion.NEUTRAL,
)  # fmt: skip
"""What the numbers 0 to 6 of the contest's column ``emotion`` mean."""


def header(path: Path) -> list[str]:
    """Column names of a CSV, lower case and without the spaces that icml_face_data.csv has."""
    with path.open("rb") as file:
        first = file.readline().decode("utf-8-sig", "replace")
    return [name.strip().strip('"').strip().lower() for name in first.split(",")]


def list_csv(path: Path, mapping: Mapping[str, str]) -> Listing:
    """Find every row of a pixel CSV without keeping its pixels in memory.

    Rows are named as FER+ names them (``fer0000012.png`` is row 12). Labels are the contest's
    numbers or words; ``mapping`` applies to either.

    Raises:
        ValueError: columns are missing, a label is not understood, or a row is cut short.
    """
    columns = header(path)
    if not {"emotion", "pixels"} <= set(columns):
        raise ValueError(f"{path}: no columns emotion and pixels; it has {', '.join(columns)}")
    at_label, at_pixels = columns.index("emotion"), columns.index("pixels")
    at_usage = columns.index("usage") if "usage" in columns else None
    numbers = {str(i): e.value for i, e in enumerate(FER_ORDER)}
    numbers |= {k: numbers.get(v, v) for k, v in mapping.items()}
    label_of: dict[str, int | None] = {}
    emotion: list[int] = []
    usage: list[str] = []
    start: list[int] = []
    length: list[int] = []
    unknown: Counter[str] = Counter()
    with path.open("rb") as file:
        position = len(file.readline())
        for row, line in enumerate(file):
            if line.strip():
                fields = line.rstrip(b"\r\n").split(b",")
                if len(fields) != len(columns):
                    raise ValueError(
                        f"{path}: row {row} has {len(fields)} columns, the header {len(columns)}; "
                        "download the file again"
                    )
                word = fields[at_label].strip().strip(b'"').decode("utf-8", "replace")
                if word not in label_of:
                    label_of[word] = understand(word, numbers)
                named = label_of[word]
                if named is None:
                    unknown[word] += 1
                    named = 0
                emotion.append(named)
                part = b"" if at_usage is None else fields[at_usage].strip().strip(b'"')
                usage.append(part.decode("utf-8", "replace"))
                start.append(position + sum(len(f) + 1 for f in fields[:at_pixels]))
                length.append(len(fields[at_pixels]))
            position += len(line)
    if unknown:
        raise unknown_names(unknown, f"{path}: labels")
    if not emotion:
        raise ValueError(f"{path}: no rows; download the file again")
    return Listing(
        root=path,
        id=[f"fer{row:07d}.png" for row in range(len(emotion))],
        emotion=np.array(emotion, np.int64),
        split=[USAGES.get(u.lower(), "") for u in usage],
        usage=[u if u.lower() in USAGES else "" for u in usage],
        votes=no_votes(len(emotion)),
        start=np.array(start, np.int64),
        length=np.array(length, np.int64),
    )


def decode_pixels(text: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The square grey picture that a ``pixels`` field spells out.

    Raises:
        ValueError: other characters than numbers, values above 255, or no square count.
    """
    text = text.strip().strip(b'"')
    if not text or re.search(rb"[^0-9 ]", text):
        raise ValueError("the pixels column holds something else than numbers")
    values = np.fromstring(text, np.int64, sep=" ")
    side = int(len(values) ** 0.5)
    if side * side != len(values):
        raise ValueError(f"{len(values)} pixels are no square picture")
    if values.max() > 255:
        raise ValueError(f"a pixel value of {values.max()}, above 255")
    return values.astype(np.uint8).reshape(side, side)
