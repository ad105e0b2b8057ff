"""A full disk, a damaged file, a signal: one clear error each, and nothing lost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from tests.full_disk import no_file_above
from tests.train.conftest import make_faces, tiny_recipe

from mien.train import fit, run, weights
from mien.train.starts.build import build
from mien.train.watch import Silent, Stopped, stoppable


def test_a_checkpoint_comes_back(tmp_path: Path):
    run.save_checkpoint({"epoch": 3, "x": torch.arange(4)}, tmp_path / "c.pt")
    assert run.load_checkpoint(tmp_path / "c.pt")["x"].tolist() == [0, 1, 2, 3]


def test_a_failed_write_keeps_the_last_checkpoint(tmp_path: Path):
    path = tmp_path / "c.pt"
    run.save_checkpoint({"epoch": 1, "x": torch.zeros(10)}, path)
    before = path.read_bytes()
    with no_file_above(20_000), pytest.raises(OSError, match=r"last good one is kept.*Free some"):
        run.save_checkpoint({"epoch": 2, "x": torch.zeros(100_000)}, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_a_failed_write_of_weights_keeps_the_last(tmp_path: Path):
    network, path = build("test_resnet", trunk_args={"channels": [8, 8, 16, 16]}), tmp_path / "w"
    weights.write(network, path, facts={})
    before = path.read_bytes()
    with no_file_above(1000), pytest.raises(OSError, match="could not be written"):
        weights.write(network, path, facts={})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


def test_a_full_disk_ends_a_run_that_then_goes_on(tmp_path: Path):
    recipe, faces = tiny_recipe(epochs=2), make_faces(64)

    class Fill(Silent):
        def end(self, row: dict, best: dict, seconds_left: float) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))

    with no_file_above(10**9), pytest.raises(OSError, match="run the same command again"):
        fit.fit(recipe, faces, tmp_path, watch=Fill())
    assert len(run.read_history(tmp_path)) == 1
    fit.fit(recipe, faces, tmp_path, watch=Silent())
    assert len(run.read_history(tmp_path)) == 2


@pytest.mark.slow
def test_a_full_tmpfs_ends_a_run_that_then_goes_on(tmp_path: Path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        filler = small / "filler"
        recipe, faces = tiny_recipe(epochs=2), make_faces(64)

        class Fill(Silent):
            def end(self, row: dict, best: dict, seconds_left: float) -> None:
                with pytest.raises(OSError, match="No space"):
                    filler.write_bytes(bytes(8 << 20))

        with pytest.raises(OSError, match="run the same command again"):
            fit.fit(recipe, faces, small / "run", watch=Fill())
        assert run.load_checkpoint(small / "run" / run.CHECKPOINT)["epoch"] == 1
        filler.unlink()
        fit.fit(recipe, faces, small / "run", watch=Silent())
        assert len(run.read_history(small / "run")) == 2
    finally:
        subprocess.run(["umount", str(small)], check=False)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * 99])
def test_a_damaged_checkpoint_names_the_file_and_the_remedy(tmp_path: Path, damage):
    path = tmp_path / "checkpoint.pt"
    run.save_checkpoint({"epoch": 1, "x": torch.zeros(1000)}, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"checkpoint\.pt: the checkpoint is damaged.*delete it"):
        run.load_checkpoint(path)


def test_damaged_records_of_a_run(tmp_path: Path):
    run.claim(tmp_path, tiny_recipe(), {"data": "x"})
    (tmp_path / run.CHECKPOINT).touch()
    (tmp_path / run.FACTS).write_text("{")
    with pytest.raises(ValueError, match=r"run\.json: damaged"):
        run.claim(tmp_path, tiny_recipe(), {"data": "x"})
    (tmp_path / run.RECIPE).write_text("= 3")
    with pytest.raises(ValueError, match=r"recipe\.toml: not TOML"):
        run.read_recipe(tmp_path)
    with pytest.raises(FileNotFoundError, match="has not finished"):
        run.claim(tmp_path / "new", tiny_recipe(), {"data": "x"})
        run.load_network(tmp_path / "new")
    with pytest.raises(FileNotFoundError, match="not the folder of a run"):
        run.read_recipe(tmp_path / "none")


def test_missing_start(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"network\.start=gone\.pth: no such weights"):
        fit.fit(tiny_recipe(network__start="gone.pth"), make_faces(64), tmp_path, watch=Silent())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_batch_and_leaves_the_last_epoch(
    tmp_path: Path, number: int, request: pytest.FixtureRequest
):
    # a shell starts what runs behind it with SIGINT ignored, and training leaves it so
    before = signal.signal(number, signal.SIG_DFL)
    request.addfinalizer(lambda: signal.signal(number, before))

    class Signal(Silent):
        def begin(self, epoch: int, epochs: int, images: int) -> None:
            if epoch == 1:
                os.kill(os.getpid(), number)

    with pytest.raises(Stopped) as caught:
        fit.fit(tiny_recipe(epochs=3), make_faces(64), tmp_path, watch=Signal())
    assert caught.value.number == number
    assert run.load_checkpoint(tmp_path / run.CHECKPOINT)["epoch"] == 1
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_second_signal_does_not_wait():
    with stoppable() as check, pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("the second signal was swallowed")
    with stoppable() as check:
        check()
