"""Every verb in a pseudo-terminal: wide, narrow, without colours, and without escape sequences."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from mien.cli import build
from mien.emotions import EMOTIONS, VOTE_COLUMNS
from tests.infer.footage import crossing, write
from tests.terminal import COLOUR, ESCAPE, Ended, Terminals
from tests.tiny import make_bundle, write_recipe
from tests.train.conftest import make_faces

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pty")

TERMINALS = {
    "wide": {"columns": 80},
    "narrow": {"columns": 40, "NO_COLOR": "1"},
    "dumb": {"columns": 80, "TERM": "dumb"},
}
BAR = "━"


@dataclass(frozen=True)
class Case:
    """A command, and what its terminal shows at the end; ``bar`` where it draws a bar."""

    argv: str
    shows: str
    bar: bool = True
    code: int = 0


CASES = {
    "predict": Case("predict photos --csv {out}/o.csv", "face"),
    "video": Case("video film.mp4 --csv {out}/o.csv", "frames"),
    "page": Case("page {out}/site --ort photos", "onnxruntime-web", bar=False, code=1),
    "evaluate": Case("evaluate bundle faces --split valid --draws 20 --out {out}", "Accuracy"),
    "compare": Case("compare first.npz second.npz --draws 20", "McNemar", bar=False),
    "report": Case("report first.npz --draws 20 --no-faces --out {out}/r.html", "wrote", bar=False),
    "train": Case("train tiny.toml faces epochs=2 name={name}", "accuracy"),
    "train --folds": Case("train tiny.toml faces --folds 2 epochs=1 name={name}", "oof.npz"),
    "pipeline": Case(
        "pipeline prepared {out}/p --dry-run --budget 1m --families test_resnet --teacher none "
        "--recipe network.size=24 --recipe network.start=random",
        "done by about",
    ),
    "summary": Case("summary faces.csv --draws 20", "angry", bar=False),
    "methods": Case("methods measured", "(SHA-256", bar=False),
    "runs": Case("runs", "made", bar=False),
    "tune": Case("tune tiny.toml faces --trials 1 --study {name}", "best"),
    "distill": Case("distill bundle tiny.toml faces epochs=1 name={name}", "trained"),
    "soup": Case("soup made again --out {name}", "mean of", bar=False),
    "ensemble": Case(
        "ensemble first.npz second.npz --draws 20 --out {out}/e.json", "wrote", bar=False
    ),
    "export": Case("export made --out {out}/b --data faces --weights int8", "try: mien predict"),
    "calibrate": Case("calibrate bundle faces --split valid --draws 20 --out {out}/c", "%"),
    "doctor": Case("doctor", "onnxruntime", bar=False),
    "models": Case("models", "default", bar=False),
    "models show": Case("models show", "sha256", bar=False),
    "models add": Case("models add bundle --name {name}", "added", bar=False),
    "data prepare": Case("data prepare faces {out}/p --bundle none --no-detector", "report.html"),
    "data report": Case("data report prepared", "report.html", bar=False),
}
"""A case for each verb, by its name; one that is added needs one, see below."""

APART = {
    "serve": "runs until it is stopped; tests/web/test_server.py starts it as a process",
    "data review": "the same; tests/web/test_review.py",
    "models push": "uploads to a hub; tests/test_hub.py has a made one",
    "data download": "asks Kaggle; tests/data has its errors",
}


@pytest.fixture(scope="module")
def terminals() -> Iterator[Terminals]:
    made = Terminals()
    yield made
    made.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, terminals: Terminals) -> Path:
    """A folder with photos, faces, a film, two tables of scores, a bundle and a run."""
    root = tmp_path_factory.mktemp("place")
    (root / "photos").mkdir()
    for number in range(3):
        crossing(0.1 + number / 4).save(root / "photos" / f"{number}.jpg")
    write(root / "film.mp4", [crossing(n / 8) for n in range(8)], [n / 8 for n in range(8)])
    make_bundle(root / "bundle")
    write_recipe(root / "tiny.toml", epochs=2, trial_epochs=1)
    faces = make_faces(168)
    votes = [["file", *VOTE_COLUMNS]]
    for row in range(len(faces)):
        split = ("train", "train", "valid")[row // 7 % 3]
        name = f"{split}/{EMOTIONS[faces.emotion[row]]}/{row:03d}.png"
        (root / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces.images[row]).save(root / "faces" / name)
        votes.append([name, *faces.votes[row]])
    with (root / "faces" / "votes.csv").open("w", newline="") as file:
        csv.writer(file).writerows(votes)
    from mien.measure.predictions import Predictions

    for seed, name in enumerate(("first", "second")):
        scores = np.random.default_rng(seed).dirichlet(np.ones(7), len(faces))
        table = Predictions(id=faces.id, y=faces.emotion, label=scores, system=name)
        table.save(root / f"{name}.npz")
    for command in (
        "train tiny.toml faces epochs=1 name=made",
        "data prepare faces prepared --bundle none --no-detector",
        "predict faces/valid --crops --model bundle --csv faces.csv",
        "evaluate bundle faces --split valid --draws 20 --out measured",
    ):
        ended = terminals.run(*command.split(), cwd=root)
        assert ended.code == 0, ended.text
    shutil.copytree(root / "runs" / "made", root / "runs" / "again")
    return root


def check(ended: Ended, case: Case, kind: str) -> None:
    """Ended as it should, showed what it should, and only what such a terminal can show."""
    assert ended.code == case.code, ended.text
    assert "Traceback" not in ended.text
    assert case.shows in " ".join(ended.text.split()), ended.text
    if kind == "dumb":
        assert not ESCAPE.search(ended.raw), ended.raw
    elif case.bar:
        assert BAR in ended.raw, ended.raw
        assert ended.raw.rstrip().count("\x1b[?25l") == ended.raw.count("\x1b[?25h")  # cursor back
    if "NO_COLOR" in TERMINALS[kind]:
        assert not COLOUR.search(ended.raw), ended.raw
    for line in ESCAPE.sub("", ended.raw).replace("\r", "\n").splitlines():
        if BAR in line:
            assert len(line) <= TERMINALS[kind]["columns"], line


COSTLY = ("export", "tune", "train --folds")
"""Verbs that take seconds: each is tried in the narrow terminal, and in the others on demand."""


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        pytest.param(
            verb, kind, marks=[pytest.mark.slow] if verb in COSTLY and kind != "narrow" else []
        )
        for verb in CASES
        for kind in TERMINALS
    ],
)
def test_verb(terminals: Terminals, place: Path, tmp_path: Path, verb: str, kind: str):
    case = CASES[verb]
    name = f"{verb.replace(' ', '-')}-{kind}"
    argv = case.argv.format(out=tmp_path, name=name).split()
    home = {"XDG_DATA_HOME": str(tmp_path / "home")}
    check(terminals.run(*argv, cwd=place, **TERMINALS[kind], **home), case, kind)


def test_every_verb_has_a_case():
    def verbs(command: typer.core.TyperGroup, above: str = "") -> Iterator[str]:
        for name, inner in command.commands.items():
            if hasattr(inner, "commands"):
                if inner.invoke_without_command:
                    yield name
                yield from verbs(inner, f"{name} ")
            else:
                yield above + name

    known = {*CASES, *APART} - {"train --folds"}
    assert set(verbs(typer.main.get_command(build()))) == known


def test_training_tells_accuracy_and_time_left(terminals: Terminals, place: Path):
    shown = terminals.run("train", "tiny.toml", "faces", "epochs=3", "name=told", cwd=place)
    lines = [line for line in shown.text.splitlines() if "loss" in line]
    assert len(lines) == 3
    assert "accuracy" in lines[0]
    assert "best" in lines[0]
    assert "left" in lines[0]
    assert "left" not in lines[-1]
    history = list(csv.DictReader((place / "runs" / "told" / "history.csv").open()))
    assert len(history) == 3


@pytest.mark.slow
def test_what_a_notebook_runs(tmp_path: Path, place: Path):
    """A verb in a cell of a notebook, through nbclient: neither a pipe nor a terminal."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    code = f"""
import os, sys
os.chdir({str(place)!r})
os.environ["MALLOC_TOP_PAD_"] = "0"
from mien.cli.train import train
train(["tiny.toml", "faces", "epochs=1", "name=notebook"])
"""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    assert "trained" in json.dumps(book.cells[0].outputs)
