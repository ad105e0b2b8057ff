"""What only whole processes show: a kill at any moment, two of them as one, the command line."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.train.conftest import make_faces, tiny_recipe

from mien.emotions import EMOTIONS
from mien.train import fit, run, weights
from mien.train.watch import Silent

ROOT = Path(__file__).parents[2]
SCRIPT = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import torch
    from tests.train.conftest import make_faces, tiny_recipe
    from mien.train.fit import fit
    from mien.train.watch import Silent

    torch.set_num_threads(1)
    changes = eval(sys.argv[2])
    fit(tiny_recipe(**changes), make_faces(98, copies=6), Path(sys.argv[1]), watch=Silent())
    from accelerate import PartialState
    print("of", PartialState().num_processes)
    """
)


def command(folder: Path, changes: dict) -> list[str]:
    return [sys.executable, "-c", SCRIPT, str(folder), repr(changes)]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_kill_9_at_random_points_changes_no_bit(tmp_path: Path, precision: str):
    changes = {"epochs": 12, "precision": precision, "network__dropout": 0.1}
    whole = fit.fit(
        tiny_recipe(**changes), make_faces(98, copies=6), tmp_path / "whole", watch=Silent()
    )
    rng, kills = random.Random(0), 0
    folder = tmp_path / "cut"
    while True:
        process = subprocess.Popen(command(folder, changes), cwd=ROOT)
        before = len(run.read_history(folder)) if folder.exists() else 0
        while process.poll() is None and kills < 5:
            reached = len(run.read_history(folder)) if folder.exists() else 0
            if reached > before + rng.randint(0, 1):
                time.sleep(rng.random() / 2)
                process.kill()
                kills += 1
            time.sleep(0.02)
        if process.wait() == 0:
            break
    assert kills >= 3
    state, kept = weights.read(folder / weights.FILE).state, whole.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in state.items())


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path):
    """Layer norms, equal shards, everything drawn for the global batch and then sliced."""
    changes = {
        "network__trunk": "test_convnext", "network__trunk_args": {}, "optimizer__name": "sgd",
        "optimizer__lr": 1e-2, "augment__mixup": 0.2, "data__holdout": 0.15, "network__size": 32,
    }  # fmt: skip
    alone = fit.fit(
        tiny_recipe(**changes), make_faces(98, copies=6), tmp_path / "one", watch=Silent()
    )
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launch = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port",
        str(20000 + os.getpid() % 20000), str(script), str(tmp_path / "two"), repr(changes),
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        launch, check=True, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.count("of 2") == 2  # two that each train alone would agree as well
    state, kept = weights.read(tmp_path / "two" / weights.FILE).state, alone.state_dict()
    for name, value in state.items():
        assert torch.allclose(value, kept[name], atol=2e-5), name
    one, two = run.read_history(tmp_path / "one"), run.read_history(tmp_path / "two")
    assert [r["held_label"] for r in one] == [r["held_label"] for r in two]


def folder_of_pictures(root: Path) -> Path:
    faces = make_faces(70)
    for number, image in enumerate(faces.images):
        place = root / "train" / EMOTIONS[faces.emotion[number]].value
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:03d}.png")
    return root


@pytest.mark.slow
def test_the_command_trains_stops_at_sigterm_and_goes_on(tmp_path: Path):
    data = folder_of_pictures(tmp_path / "data")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(tiny_recipe(epochs=4).to_toml())
    line = [sys.executable, "-m", "mien", "train", str(recipe), str(data)]
    environment = os.environ | {"MIEN_RUNS": str(tmp_path / "runs"), "OMP_NUM_THREADS": "1"}
    history = tmp_path / "runs" / "tiny" / run.HISTORY
    process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True)
    while not history.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[0]
    assert process.returncode == 143
    assert "the same command resumes" in said
    subprocess.run(line, env=environment, check=True, stdout=subprocess.PIPE)
    assert len(run.read_history(history.parent)) == 4
    assert (history.parent / "curves.png").exists()
    listed = subprocess.run(
        [sys.executable, "-m", "mien", "runs"], env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert "4/4 done" in listed.stdout
