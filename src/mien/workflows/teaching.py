"""How much a teacher counts in the targets of the networks that learn from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.data.dataset import Dataset
    from mien.measure.predictions import Predictions

LARGEST_SHARE = 0.6
"""Largest share of the members' targets that a teacher has: with 0.9 they err alike."""
ASKED = 2000
"""Pictures that the teacher's accuracy is measured on."""
BEFORE = 2
"""Fewest networks that have to be trained before one of them teaches the last."""


@dataclass(frozen=True)
class Teaching:
    """A teacher's ``share`` of the members' targets, 0 to 1, and ``why``, a sentence."""

    share: float = LARGEST_SHARE
    why: str = ""


def worth(accuracy: float) -> float:
    """A teacher's share of the targets: its accuracy, squared, in tenths, at most the largest."""
    return min(LARGEST_SHARE, round(accuracy**2, 1))


def trust(teacher: str, valid: Dataset) -> Teaching:
    """How much of the targets a teacher is worth, by its label accuracy on ``valid``.

    The less it knows of the pictures, the more their own labels count: 0.4 where it is right on
    65 %. Without a label nothing is known against it. A teacher that was trained on ``valid``
    teaches nothing: it is right there, so are those who imitate it, and neither weights nor
    calibration could be chosen on these pictures.

    Args:
        teacher: name or folder of a bundle, "" for none.
        valid: pictures, of which no more than ``ASKED`` that have a label are scored.
    """
    if not teacher:
        return Teaching(0.0)
    import numpy as np

    import mien
    from mien.workflows.judging import not_trained_on

    model = mien.load(teacher)
    if len(valid) and not len(not_trained_on(model.bundle.card, valid)):
        return Teaching(
            0.0,
            f"{teacher} was trained on pictures of valid, which would flatter networks that learn "
            "from it; labels and votes teach",
        )
    valid = valid.take(valid.emotion >= 0)  # some pictures may have votes alone
    share = LARGEST_SHARE
    if len(valid):
        some = valid.take(np.arange(0, len(valid), -(-len(valid) // ASKED)))
        answers = model.classify(some.images).label.argmax(axis=1)
        share = worth(float((answers == some.emotion).mean()))
    if not share:
        return Teaching(
            share,
            f"{teacher} is right on too few pictures of valid to teach; labels and votes do",
        )
    return Teaching(
        share,
        f"{teacher} teaches the networks: {share:.0%} of their targets, by its accuracy on valid; "
        "the labels and votes are the rest",
    )


def best_of(tables: Mapping[str, Predictions], *, learner: str) -> tuple[str, Teaching]:
    """The network that teaches the pipeline's last, ``learner``, where the wished teacher cannot.

    The largest network comes last and has the fewest epochs in a budget: it gains most from the
    scores of another. The others learn from labels and votes alone, so that they err differently.

    Args:
        tables: scores on ``valid`` of the networks that are trained already.
        learner: name of the network that learns.

    Returns:
        The name of the most accurate one and how much it teaches; "" and 0 where there are fewer
        than ``BEFORE`` or none knows enough.
    """
    accuracy = {
        name: float((table.label.argmax(axis=1) == table.y)[table.known].mean())
        for name, table in tables.items()
        if table.known.any()
    }
    best = max(accuracy, key=accuracy.__getitem__, default="")
    share = worth(accuracy[best]) if best else 0.0
    if len(tables) < BEFORE or not share:
        return "", Teaching(0.0)
    return best, Teaching(
        share,
        f"{best}, the most accurate on valid so far, teaches {learner}: {share:.0%} of its targets",
    )
