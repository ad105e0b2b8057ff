"""``recipes/default.sh``: what is skipped, what is made again, and that mien knows its commands.

A stand-in for ``mien`` notes each command and writes files in the places where the real one does;
the real command line then reads what was noted.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from mien.cli import build

SCRIPT = Path(__file__).resolve().parents[2] / "recipes" / "default.sh"
STAND_IN = """
import hashlib, json, os, sys
from pathlib import Path

if sys.argv[1:] == ["--version"]:
    sys.exit(print("mien 0"))
verb, *words = sys.argv[1:]
with open(os.environ["COMMANDS"], "a") as log:
    print(json.dumps([verb, *words]), file=log)
if os.environ.get("STOP_AT", "never") in " ".join([verb, *words]):
    sys.exit(130)
runs = Path(os.environ["MIEN_RUNS"])
if "--out" in words:
    out = Path(words[words.index("--out") + 1])
elif verb == "train":
    out = runs / words[0]
else:
    out = Path(words[1])
out.mkdir(parents=True, exist_ok=True)
made_of = hashlib.sha256("".join(words).encode())
for word in words:  # so that another input gives another output
    for file in (runs / word / "weights.safetensors", Path(word) / "model.onnx"):
        if file.is_file():
            made_of.update(file.read_bytes())
for name in ("weights.safetensors", "model.onnx", "card.json", "metrics.json"):
    (out / name).write_text(made_of.hexdigest())
if verb == "pipeline":
    for run in words[words.index("--families") + 1].split(","):
        (out / "runs" / run).mkdir(parents=True, exist_ok=True)
        (out / "runs" / run / "weights.safetensors").write_text(run)
"""

pytestmark = pytest.mark.skipif(
    os.name == "nt" or not Path("/usr/bin/sha256sum").exists(), reason="needs sh and sha256sum"
)


class Road:
    """The script in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.out, self.log, self.bin = folder / "out", folder / "log", folder / "bin"
        self.data = folder / "a folder" / "faces"
        for new in (self.bin, self.data):
            new.mkdir(parents=True)
        (self.data / "votes.csv").write_text("votes")
        (self.bin / "stand_in.py").write_text(STAND_IN)
        mien = self.bin / "mien"
        mien.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{self.bin}/stand_in.py" "$@"\n')
        mien.chmod(mien.stat().st_mode | stat.S_IXUSR)

    def __call__(self, *, stop_at: str = "never", code: int = 0) -> tuple[list[str], str]:
        """The commands that a run of the script gives, and what it prints."""
        self.log.write_text("")
        ran = subprocess.run(
            ["sh", SCRIPT, self.data, self.out], capture_output=True, text=True, timeout=300,
            env=os.environ | {"PATH": f"{self.bin}:{os.environ['PATH']}", "STOP_AT": stop_at,
                              "COMMANDS": str(self.log)},
        )  # fmt: skip
        assert ran.returncode == code, ran.stderr
        commands = [json.loads(line) for line in self.log.read_text().splitlines()]
        verbs = typer.main.get_command(build()).commands
        for verb, *words in commands:
            verbs[verb].make_context(verb, list(words))
        return [" ".join(words).replace(str(self.out), "OUT") for words in commands], ran.stdout


def made(commands: list[str]) -> list[str]:
    """What commands write, without its folder."""
    return [c.split("--out OUT/")[1].split()[0] for c in commands if "--out OUT/" in c]


def test_each_step_is_made_once_and_again_where_its_inputs_changed(tmp_path: Path):
    road = Road(tmp_path)
    stopped, _ = road(stop_at="train student", code=130)
    assert [command.split()[0] for command in stopped] == ["pipeline", "export", "train"]

    resumed, told = road()
    assert resumed[0].startswith("train student")
    assert made(resumed)[-2:] == ["evaluated/efficientnet_lite0", "efficientnet_lite0"]
    assert told.count(" min ") == 12 and "members: 0 min" in told
    assert road()[0] == []

    (road.out / "members/runs/efficientnet_lite0/weights.safetensors").write_text("trained again")
    again = made(road()[0])
    assert "plain/ensemble" in again and "efficientnet_lite0" in again
    assert "plain/default" not in again and "pair" not in again

    (road.out / "members/runs/face_resnet/weights.safetensors").write_text("trained again")
    again, _ = road()
    assert "student" in " ".join(c for c in again if c.startswith("train"))
    assert "efficientnet_lite0" not in made(again)

    (road.data / "votes.csv").write_text("other votes")
    assert len(road()[0]) == len(stopped) + len(resumed) - 1
