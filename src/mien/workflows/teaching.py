"""How much a teacher counts in the targets of the networks that learn from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.data.dataset import Dataset

LARGEST_SHARE = 0.6
"""Largest share of the members' targets that a teacher has: with 0.9 they err alike."""
ASKED = 2000
"""Pictures that the teacher's accuracy is measured on."""


@dataclass(frozen=True)
class Teaching:
    """A teacher's ``share`` of the members' targets, 0 to 1, and ``why``, a sentence."""

    share: float = LARGEST_SHARE
    why: str = ""


def trust(teacher: str, valid: Dataset) -> Teaching:
    """How much of the targets a teacher is worth: its label accuracy on ``valid``, squared.

    In tenths, ``LARGEST_SHARE`` at most. The less it knows of the pictures, the more their own
    labels count: 0.4 where it is right on 65 %. Without a label nothing is known against it. A
    teacher that was trained on ``valid`` teaches nothing: it is right there, so are those who
    imitate it, and neither weights nor calibration could be chosen on these pictures.

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
        share = min(share, round(float((answers == some.emotion).mean()) ** 2, 1))
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
