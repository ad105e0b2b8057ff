"""Runs the stages that look for pictures that are no face, and remembers their results."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.data.cache import Arrays, Cache, key_of
from mien.data.faces import Judge, Score, Verdict, not_a_face, oddness
from mien.data.outliers import outlier_scores
from mien.data.reading import Crops, Progress, quiet

WORTH_A_LOOK = 0.4
"""Least suspicion at which the detector is asked; it can only clear a picture, never accuse it."""
CROPS_AT_A_TIME = 256


def find_suspects(
    crops: Crops,
    rows: NDArray[np.int64],
    votes: NDArray[np.int64],
    cache: Cache,
    *,
    judge: Judge | None = None,
    progress: Progress = quiet,
) -> Verdict:
    """Score each picture for being no face.

    Args:
        crops: the decoded source.
        rows: (M,) pictures to judge.
        votes: (M, 10) counts, rows of -1 where nobody voted.
        cache: remembers the outlier scores and what the models said.
        judge: the models, or None to do without.
        progress: told how far it is.
    """
    rows_key = key_of(rows.tolist())

    def compare() -> Arrays:
        return {"score": np.round(outlier_scores(crops.rows, rows), 4)}

    outlier = cache.arrays("outliers", key_of(1, crops.key, rows_key), compare)["score"]
    unclear = face = None
    if judge is not None:
        model = judge

        def ask() -> Arrays:
            said: Arrays = {}
            suspicion = oddness(outlier)
            if model.unclear is not None:
                said["unclear"] = _ask(model.unclear, crops, rows, "unclear", progress)
                suspicion = np.maximum(suspicion, said["unclear"])
            doubtful = np.flatnonzero(suspicion >= WORTH_A_LOOK)
            said["face"] = np.ones(len(rows))
            said["face"][doubtful] = _ask(model.face, crops, rows[doubtful], "faces", progress)
            return said

        said = cache.arrays("faces", key_of(1, crops.key, rows_key, model.key), ask)
        face, unclear = said["face"], said.get("unclear")
    cut = crops.face[rows]  # what the detector said of the face in the photo, which it saw better
    if (cut > 0).any():
        before = np.full(len(rows), np.nan) if face is None else face
        face = np.where(cut > 0, np.fmax(before, cut), before)
    return not_a_face(outlier, face=face, unclear=unclear, votes=votes)


def _ask(
    score: Score, crops: Crops, rows: NDArray[np.int64], name: str, progress: Progress
) -> NDArray[np.float64]:
    answers = [np.zeros(0)]
    for i in range(0, len(rows), CROPS_AT_A_TIME):
        answers.append(np.asarray(score(crops.rows(rows[i : i + CROPS_AT_A_TIME])), np.float64))
        progress(name, min(i + CROPS_AT_A_TIME, len(rows)), len(rows))
    return np.asarray(np.round(np.concatenate(answers), 4), np.float64)
