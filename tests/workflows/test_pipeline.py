"""From a folder of faces to models and a report: planned once, taken up after any stop."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien import bundle
from mien.emotions import EMOTIONS, VOTE_COLUMNS
from mien.train import run
from mien.train.watch import Silent, Watcher
from mien.workflows import families, plan
from mien.workflows.pipeline import PLAN, Result, load_splits, pipeline
from mien.workflows.settings import Options, Talk
from tests.train.conftest import make_faces

MEMBERS = ("test_resnet", "test_efficientnet")
OPTIONS = Options(
    families=MEMBERS, budget=3600.0, teacher="", draws=20,
    overrides=("network.size=24", "network.start=random", "optimizer.lr=3e-3"),
)  # fmt: skip


def make_source(root: Path, count: int = 280) -> Path:
    """Noisy faces, no two alike, in train and test, with votes."""
    faces = make_faces(count)
    noise = np.random.default_rng(5).integers(0, 130, faces.images.shape)
    table = [["file", *VOTE_COLUMNS]]
    for row, picture in enumerate((faces.images * 0.45 + noise).astype(np.uint8)):
        split = ("train", "train", "train", "test")[row // 7 % 4]
        name = f"{split}/{EMOTIONS[faces.emotion[row]]}/{row:03d}.png"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(root / name)
        table.append([name, *faces.votes[row]])
    with (root / "votes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(table)
    return root


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_source(tmp_path_factory.mktemp("pipeline") / "source")


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    """Two epochs of each member, and a short look at the machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "MOST", 2)
        patch.setattr(families, "SECONDS", 0.1)
        yield


class Kill(Silent):
    """Ends the process of a training, as far as Python can: in the second epoch."""

    def begin(self, epoch: int, epochs: int, images: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt


class Told(Talk):
    """Keeps what is told; kills the training of ``victim``."""

    def __init__(self, victim: str = "") -> None:
        self.victim, self.lines, self.plans, self.left = victim, [], [], []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def plan(self, made: plan.Plan, images: int, left: float) -> None:
        self.plans.append((made.to_dict(), images))
        self.left.append(left)

    def watch(self, member: str) -> Watcher:
        return Kill() if member == self.victim else Silent()


@pytest.fixture(scope="module")
def calls(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Told], list]:
    """Three calls for one folder: the first is killed in the second member's training."""
    out = tmp_path_factory.mktemp("out") / "project"
    told = [Told(MEMBERS[1]), Told(), Told()]
    with pytest.raises(KeyboardInterrupt):
        pipeline(source, out, OPTIONS, talk=told[0])
    # the order of the plan is by time: that member came first or last
    results = [pipeline(source, out, OPTIONS, talk=talk) for talk in told[1:]]
    return out, told, results


def test_a_stop_keeps_the_plan_and_what_was_done(calls: tuple[Path, list[Told], list[Result]]):
    out, told, (second, third) = calls
    assert told[0].plans == told[1].plans == told[2].plans
    assert told[0].left[0] > told[1].left[0] > told[2].left[0]
    assert second.plan.to_dict() == third.plan.to_dict() == told[0].plans[0][0]
    assert second.skipped[0] == "prepare"
    assert any("skipped" in line for line in told[1].lines)
    history = run.read_history(out / "runs" / MEMBERS[1])
    assert [row["epoch"] for row in history] == [1, 2]  # the first from before the stop
    steps = {f"{verb} {member}" for member in MEMBERS for verb in ("train", "measure")}
    assert set(third.skipped) == {"prepare", "ensemble", "report", *steps}
    assert third.accuracy == second.accuracy


def test_members_and_ensemble_are_measured_and_reported(
    calls: tuple[Path, list[Told], list[Result]],
):
    out, told, (result, _) = calls
    assert set(result.accuracy) == {*MEMBERS, "ensemble"}
    for found in result.accuracy.values():
        assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    page = result.report.read_text(encoding="utf-8")
    for name in (*MEMBERS, "ensemble", "How the networks were trained"):
        assert name in page
    assert "valid_accuracy" in run.read_history(out / "runs" / MEMBERS[0])[0]
    assert any("280 of 280 pictures kept" in line for line in told[0].lines)
    card = json.loads((out / "ensemble" / "card.json").read_text(encoding="utf-8"))
    assert card["name"] == "ensemble"
    import mien

    scores = mien.load(out / "ensemble", threads=1).classify(make_faces(7).images)
    assert scores.votes.shape == (7, 7)


def test_recipes_as_written_and_a_student(source: Path, tmp_path: Path):
    """Nothing is timed or prepared; the student learns from the ensemble, and ships in int8."""
    small = tmp_path / "small.toml"
    small.write_text(
        'epochs = 2\nbatch_size = 32\n[network]\ntrunk = "test_resnet"\nstart = "test_resnet"\n'
        "[targets]\nteacher_weight = 0.6\nteacher_views = 2\n"
    )
    other = tmp_path / "test_resnet.toml"
    other.write_text(small.read_text().replace('start = "test_resnet"', 'start = "random"'))
    options = replace(
        OPTIONS, families=(str(other),), as_written=True, raw=True, student=str(small),
        teacher="default", overrides=("network.size=24", "optimizer.lr=3e-3"),
    )  # fmt: skip
    out, talk = tmp_path / "out", Told()
    done = pipeline(source, out, options, talk=talk)
    assert not (out / "data").exists()
    assert not any("measuring this machine" in line for line in talk.lines)
    assert [choice.epochs for choice in done.plan.choices] == [2, 2]
    share = done.plan.teaching.share  # small: the teacher knows no made faces
    assert share < 0.5 and done.plan.teaching.why in talk.lines
    known = run.read_recipe(out / "runs" / MEMBERS[0]).targets
    assert (known.teacher, known.taught) == ("default" if share else "", share > 0)
    assert not share or known.teacher_weight == share
    assert set(done.accuracy) == {MEMBERS[0], "ensemble", "student"}
    assert "student" in done.report.read_text(encoding="utf-8")
    card = bundle.load(out / "student").card
    assert card.network["weights"] == "int8"
    assert card.views == 1
    page = done.report.with_suffix(".md").read_text(encoding="utf-8")
    assert "| student | " in page and "| ensemble, 60 % |" in page
    assert " | 1.00 |" in page  # the ensemble's only member
    told = run.read_recipe(out / "runs" / "student").targets
    assert (told.teacher, told.teacher_weight) == (str(out / "ensemble"), 0.6)
    joined = bundle.load(out / "ensemble").card
    last, first = card.lineage  # the student began with the member's weights
    assert f"distilled from ensemble {joined.sha256[:12]}, from {first}" in last
    assert (first,) == joined.lineage
    assert first.startswith(f"{MEMBERS[0]} (recipe ")
    again = pipeline(source, out, options, talk=Told())
    assert {"train student", "measure student", "report"} <= set(again.skipped)
    assert again.accuracy == done.accuracy
    assert again.seconds["train student"] > 0


def test_two_networks_of_one_name_are_refused(source: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="test_resnet is named twice"):
        pipeline(source, tmp_path, replace(OPTIONS, families=(MEMBERS[0], MEMBERS[0])))


def test_another_job_is_refused_in_the_same_folder(
    source: Path, calls: tuple[Path, list[Told], list[Result]]
):
    with pytest.raises(ValueError, match="other data or options"):
        pipeline(source, calls[0], replace(OPTIONS, seed=1))


def test_a_dry_run_writes_nothing(source: Path, tmp_path: Path):
    talk = Told()
    before = sorted(source.rglob("*"))
    made = pipeline(source, tmp_path / "out", OPTIONS, dry_run=True, talk=talk)
    assert {choice.member for choice in made.plan.choices} == set(MEMBERS)
    assert talk.plans[0][1] == round(0.9 * 210)
    assert list(tmp_path.iterdir()) == []
    assert sorted(source.rglob("*")) == before


@pytest.mark.parametrize(("count", "held"), [(3, 1), (49, 5)])
def test_a_set_without_a_valid_split_gets_one(
    monkeypatch: pytest.MonkeyPatch, count: int, held: int
):
    faces = make_faces(count + 2)
    splits = faces.split.copy()
    splits[count:] = "test"
    monkeypatch.setattr("mien.data.dataset.load", lambda folder: replace(faces, split=splits))
    found = load_splits(Path("anywhere"), seed=0).split.tolist()
    assert (found.count("valid"), found.count("train")) == (held, count - held)
    splits[1:] = "test"
    with pytest.raises(ValueError, match="anywhere: too few pictures"):
        load_splits(Path("anywhere"), seed=0)


@pytest.mark.parametrize("key", ["epochs", "sizes", "seed", "name", "data.path", "sizes.0"])
def test_what_the_plan_decides_is_no_override(source: Path, tmp_path: Path, key: str):
    options = Options(families=MEMBERS, overrides=(f"{key}=3",))
    with pytest.raises(ValueError, match=f"--recipe {key}: the pipeline decides it"):
        pipeline(source, tmp_path / "out", options)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_family_lists_the_known(source: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="vgg19, resnet, efficientnet"):
        pipeline(source, tmp_path / "out", Options(families=("resnte",)), dry_run=True)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [8, 20, 32])
def test_the_command_survives_a_kill(source: Path, tmp_path: Path, seconds: int):
    command = [sys.executable, "-m", "mien", "pipeline", source, tmp_path / "out"]
    command += ["--families", ",".join(MEMBERS), "--budget", "2m", "--teacher", "none"]
    command += ["--draws", "20", *(x for key in OPTIONS.overrides for x in ("--recipe", key))]
    environment = os.environ | {"MIEN_RUNS": str(tmp_path / "runs")}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen([*map(str, command)], env=environment, **quiet)
    end = time.monotonic() + 60
    while not (tmp_path / "out" / PLAN).exists() and time.monotonic() < end and seconds > 8:
        time.sleep(0.2)
    time.sleep(seconds if seconds <= 8 else seconds - 15)
    running.kill()
    running.wait()
    path = tmp_path / "out" / PLAN
    before = path.read_bytes() if path.exists() else None
    done = subprocess.run(
        [*map(str, command)], env=environment, capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr
    assert before in (None, path.read_bytes())
    assert "ensemble" in done.stdout
    assert (tmp_path / "out" / "report.html").is_file()
