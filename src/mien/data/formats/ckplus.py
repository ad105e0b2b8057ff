"""CK+ (Lucey et al. 2010): films as pictures, with a number for each film that has an emotion.

    cohn-kanade-images/S005/001/S005_001_00000011.png
    Emotion/S005/001/S005_001_00000011_emotion.txt      holds 3.0000000e+00

0 neutral, 1 anger, 2 contempt, 3 disgust, 4 fear, 5 happy, 6 sadness, 7 surprise. A film goes from
a neutral face to the emotion: its last three pictures have the label, its first one is neutral
(as in most papers); those between are left out. The flat folders of 48x48 pictures
(anger/S010_004_00000017.png) are read by ``folders``, ckextended.csv by ``pixelcsv``.
"""

from __future__ import annotations

import re
from collections import defaultdict

from mien.data.formats.labelled import Labels, Said
from mien.data.tree import Tree
from mien.data.words import numbered, whole

ENDING = "_emotion.txt"
FRAME = re.compile(r"(S\d+_\d+)_(\d+)\.", re.IGNORECASE)
PEAK = 3


def find(tree: Tree) -> list[str]:
    """The files of emotions of a tree."""
    return [path for path in tree.others if path.lower().endswith(ENDING)]


def read(tree: Tree, files: list[str]) -> Labels:
    """Labels of the last pictures of each film, neutral for its first."""
    labels = Labels(f"Emotion/*{ENDING}", numbers=numbered("ckplus"))
    films: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for path in tree.pictures:
        if frame := FRAME.match(path.rpartition("/")[2]):
            films[frame[1].upper()].append((int(frame[2]), path))
    emotion: dict[str, str] = {}
    for path in files:
        name = path.rpartition("/")[2]
        frame = FRAME.match(name[: -len(ENDING)] + ".")
        film = frame[1].upper() if frame else ""
        if film not in films:
            labels.lost.append(path)
            continue
        emotion[film] = _number((tree.root / path).read_text("utf-8", "replace"))
    for film, frames in films.items():
        pictures = [path for _, path in sorted(frames)]
        word = emotion.get(film, "")
        for place, path in enumerate(pictures):
            if place >= max(1, len(pictures) - PEAK) and word:
                labels.said[path] = Said(word)
            elif place == 0 and len(pictures) > PEAK:
                labels.said[path] = Said("0")
            elif word:
                labels.said[path] = (
                    Said(word)
                    if len(pictures) == 1
                    else Said(why="between the neutral face and the emotion")
                )
            else:
                labels.said[path] = Said(why="its film has no emotion file")
    return labels


def _number(text: str) -> str:
    try:
        return whole(str(float(text)))
    except ValueError:
        return ""
