"""A step is done once; changed inputs, lost outputs and a kill bring it back."""

import json

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
