"""How much of the targets a teacher is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.emotions import EMOTIONS
from mien.measure.predictions import Predictions
from mien.workflows import members
from mien.workflows.members import Job
from mien.workflows.plan import Choice, Plan
from mien.workflows.settings import Options, Talk
from mien.workflows.steps import Steps
from mien.workflows.teaching import Teaching, best_of, trust
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


def table(right: int, *, unknown: int = 0) -> Predictions:
    """100 pictures with a label, ``right`` of which a network names, and others without one."""
    y = np.concatenate([np.arange(100) % 7, np.full(unknown, -1)])
    named = (y + (np.arange(100 + unknown) >= right)) % 7
    return Predictions(np.arange(len(y)).astype(str), y, np.eye(len(EMOTIONS))[named])


def test_the_best_network_so_far_teaches_the_last():
    tables = {"a": table(62), "b": table(71, unknown=50), "c": table(68, unknown=3)}
    name, teaching = best_of(tables, learner="d")
    assert (name, teaching.share) == ("b", 0.5)
    assert teaching.why == "b, the most accurate on valid so far, teaches d: 50% of its targets"
    nobody = ("", Teaching(0.0))
    assert best_of({"b": table(71)}, learner="d") == nobody  # the two would be too alike
    assert best_of({"a": table(9), "b": table(20)}, learner="d") == nobody
    votes_alone = replace(table(71), y=np.full(100, -1))
    assert best_of({"a": votes_alone, "b": votes_alone}, learner="d") == nobody


@pytest.mark.parametrize(
    ("wished", "share", "expected"),
    [
        ("default", 0.0, [("", 0.0), ("", 0.0), ("a", 0.4)]),  # not fit: trained on these pictures
        ("default", 0.6, [("default", 0.6)] * 3),
        ("", 0.0, [("", 0.0)] * 3),  # --teacher none
    ],
)
def test_who_teaches_each_network(
    tmp_path: Path, wished: str, share: float, expected: list[tuple[str, float]]
):
    faces = make_faces(4)
    chosen = tuple(Choice(name, "small", (48,), 2, 1.0) for name in "abc")
    job = Job(
        tmp_path, tmp_path, faces, {}, Plan(9.0, chosen, Teaching(share)), Options(teacher=wished),
        Steps(tmp_path, print), Talk(),
    )  # fmt: skip
    tables: dict[str, dict[str, Predictions]] = {}
    for choice, (teacher, counts) in zip(chosen, expected, strict=True):
        found, teaching = members.teacher_of(choice, job, tables)
        assert (found, teaching.share) == (
            str(tmp_path / "runs" / "a" / "bundle") if teacher == "a" else teacher, counts,
        )  # fmt: skip
        tables[choice.member] = {"valid": table(65 if choice.member == "a" else 60)}
