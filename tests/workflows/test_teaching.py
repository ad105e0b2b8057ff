"""How much of the targets a teacher is given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mien
from mien.workflows.teaching import Teaching, trust
from tests.train.conftest import make_faces


@pytest.mark.parametrize(("right", "share"), [(100, 0.6), (78, 0.6), (65, 0.4), (20, 0.0)])
def test_a_teacher_counts_by_how_well_it_knows_the_pictures(right: int, share: float):
    faces = make_faces(100)
    answers = mien.load("default", threads=1).classify(faces.images).label.argmax(axis=1)
    wrong = np.arange(100) >= right
    known = replace(faces, emotion=(answers + wrong) % 7)
    assert trust("default", known).share == share
    assert trust("", known) == Teaching(0.0)


def test_pictures_with_votes_alone_say_nothing_of_a_teacher():
    faces = make_faces(100)
    answers = mien.load("default", threads=1).classify(faces.images).label.argmax(axis=1)
    half = replace(faces, emotion=np.where(np.arange(100) < 50, answers, -1))
    assert trust("default", half).share == 0.6
    assert trust("default", replace(faces, emotion=np.full(100, -1))).share == 0.6


def test_a_teacher_that_was_trained_on_these_pictures_does_not_teach(
    monkeypatch: pytest.MonkeyPatch,
):
    """It is right on them, and so would be who imitates it: ``valid`` could decide nothing."""
    faces, model = make_faces(100), mien.load("default", threads=1)
    known = replace(faces, emotion=model.classify(faces.images).label.argmax(axis=1))
    assert "60% of their targets" in trust("default", known).why
    monkeypatch.setitem(model.bundle.card.data, "fingerprint", [known.fingerprint()])
    monkeypatch.setattr(mien, "load", lambda name: model)
    found = trust("default", known)
    assert found.share == 0 and "was trained on pictures of valid" in found.why
