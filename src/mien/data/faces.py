"""Pictures that are no face: detector, model, outlier score and votes made one score and reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.emotions import NOT_A_FACE

SURE_FACE = 0.2
"""Detector score from which a face is a face, whatever else is said.

Of 100 of FER-2013's faces, framed in grey as ``workflows.judging`` does, 73 in 100 reach it, and
83 reach 0.1; none of the 68 Training pictures known to be no face has any score.
"""
FLAG, DROP = 0.5, 0.9
"""Scores from which a picture is shown to a person, and from which it is left out."""
OUTLIER_FLAG, OUTLIER_SURE = 2.5, 5.0
"""Robust deviations that make half a score and nearly a whole one."""


Score = Callable[[NDArray[np.uint8]], NDArray[np.floating]]
"""One number for each of (n, 48, 48) crops."""


@dataclass(frozen=True)
class Judge:
    """What models say of crops, handed in so that this room needs none.

    ``key`` names the models for the cache; ``face`` maps (n, 48, 48) crops to the detector's best
    score (n,); ``unclear`` to the model's share of people who would see no emotion or no face
    (n,), or is None.
    """

    key: str
    face: Score
    unclear: Score | None = None


@dataclass(frozen=True)
class Verdict:
    """``score`` (N,) that a picture is no face, 0 to 1, and what speaks for it most, (N,)."""

    score: NDArray[np.float64]
    reason: NDArray[np.str_]


def oddness(outlier: NDArray[np.float64]) -> NDArray[np.float64]:
    """Outlier scores as 0 to 1: one half at ``OUTLIER_FLAG``, nine tenths at ``OUTLIER_SURE``."""
    slope = np.log(9) / (OUTLIER_SURE - OUTLIER_FLAG)
    return np.asarray((1 + np.tanh(slope / 2 * (outlier - OUTLIER_FLAG))) / 2)


def not_a_face(
    outlier: NDArray[np.float64],
    *,
    face: NDArray[np.floating] | None = None,
    unclear: NDArray[np.floating] | None = None,
    votes: NDArray[np.int64] | None = None,
) -> Verdict:
    """Combine what is known about each picture.

    The outlier score (and the model's ``unclear``, whichever is higher) raises suspicion; a face
    the detector is sure of takes it away, an unsure one lowers it. People's votes overrule both:
    half of them for "not a face" settles it.

    Args:
        outlier: (N,) ``outlier_scores``.
        face: (N,) the detector's score, 0 where it found none, NaN where it was not asked.
        unclear: (N,) the model's share for "unknown" and "not a face".
        votes: (N, 10) counts, rows of -1 where nobody voted.
    """
    odd = oddness(outlier)
    vague = np.zeros(len(odd)) if unclear is None else np.asarray(unclear, np.float64)
    score = np.maximum(odd, vague)
    reason = np.where(vague > odd, "the model finds it unclear", "unlike the other pictures")
    if face is not None:
        asked = np.asarray(face, np.float64)
        seen = np.clip(np.nan_to_num(asked) / SURE_FACE, 0, 1)
        score = score * (1 - seen**2)
        reason = np.where(asked == 0, np.char.add(reason, ", no face found"), reason)
    if votes is not None:
        share = np.where(votes[:, 0] >= 0, votes[:, NOT_A_FACE] / np.maximum(votes.sum(1), 1), 0.0)
        reason = np.where(share >= np.maximum(score, FLAG), "people voted: not a face", reason)
        score = np.where(share >= FLAG, np.maximum(score, 0.5 + share / 2), score)
    return Verdict(np.asarray(np.round(score, 4), np.float64), reason)
