"""A step is done once; changed inputs, lost outputs and a kill bring it back."""

import json
from itertools import count
from threading import Event
from types import SimpleNamespace

import pytest

from mien.workflows.steps import FILE, Steps


@pytest.fixture
def job(tmp_path):
    told, done = [], []
    steps = Steps(tmp_path, told.append)
    out = tmp_path / "out.txt"

    def work():
        done.append(1)
        out.write_text("made")

    return steps, out, work, told, done


def test_once(job):
    steps, out, work, told, done = job
    assert steps.run("make", {"a": 1}, [out], work)
    assert not steps.run("make", {"a": 1}, [out], work)
    assert len(done) == 1
    assert steps.skipped == ["make"]
    assert "skipped" in told[-1]


@pytest.mark.parametrize("lost", ["inputs", "output", "notes", "damaged notes"])
def test_again(job, tmp_path, lost):
    steps, out, work, _, done = job
    steps.run("make", {"a": 1}, [out], work)
    if lost == "output":
        out.unlink()
    if lost == "notes":
        (tmp_path / FILE).unlink()
    if lost == "damaged notes":
        (tmp_path / FILE).write_text("{")
    assert steps.run("make", {"a": 2 if lost == "inputs" else 1}, [out], work)
    assert len(done) == 2


def test_a_failure_is_not_taken_for_done(job, tmp_path):
    steps, out, work, _, done = job

    def fail():
        out.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        steps.run("make", {"a": 1}, [out], fail)
    assert "inputs" not in json.loads((tmp_path / FILE).read_text())["make"]
    assert steps.run("make", {"a": 1}, [out], work)
    assert done == [1]
    assert steps.seconds()["make"] >= 0


def test_time_is_noted_while_a_step_runs(job, tmp_path, monkeypatch):
    """So that a kill loses no more than some seconds of it."""
    steps, out, work, _, _ = job
    monkeypatch.setattr("mien.workflows.steps.BEAT", 0.01)
    monkeypatch.setattr(
        "mien.workflows.steps.time", SimpleNamespace(monotonic=count(0, 7).__next__)
    )

    def watched():
        for _ in range(1000):
            noted = json.loads((tmp_path / FILE).read_text())["make"]
            if "begun" in noted and noted["seconds"] >= 14:
                return work()
            Event().wait(0.01)
        raise AssertionError("no time was noted")

    assert steps.run("make", {"a": 1}, [out], watched)
    assert "begun" not in json.loads((tmp_path / FILE).read_text())["make"]
    assert steps.seconds()["make"] >= 21
