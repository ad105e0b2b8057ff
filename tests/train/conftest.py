"""Made faces that a tiny network can learn: each emotion is a bright block of its own place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mien.data.dataset import Dataset, pixel_groups
from mien.emotions import BALLOT, BALLOT_INDEX, EMOTIONS
from mien.train.network import Network
from mien.train.recipe import Recipe, parse


def make_faces(count: int = 98, *, seed: int = 0, copies: int = 0) -> Dataset:
    """``count`` noisy crops of the seven emotions in turn, the first ``copies`` of them twice."""
    rng = np.random.default_rng(seed)
    emotion = np.arange(count) % len(EMOTIONS)
    images = rng.integers(0, 90, (count, 48, 48)).astype(np.uint8)
    for row, number in enumerate(emotion):
        top, left = divmod(int(number), 3)
        images[row, 16 * top : 16 * top + 16, 16 * left : 16 * left + 16] += 150
    votes = np.zeros((count, len(BALLOT)), np.int64)
    votes[np.arange(count), np.array(BALLOT_INDEX)[emotion]] = 8
    votes[:, 0] += 2
    for array in (images, emotion, votes):
        array[count - copies :] = array[:copies]
    return Dataset(
        id=np.array([f"train/{EMOTIONS[e].value}/{i:04d}.png" for i, e in enumerate(emotion)]),
        images=images,
        emotion=emotion.astype(np.int64),
        votes=votes,
        split=np.full(count, "train"),
        group=pixel_groups(images),
    )


def settle(network: Network, pixels: torch.Tensor) -> Network:
    """Give norms the statistics of (N, 1, s, s) ``pixels``: a random network's maps vanish else."""
    network.train()
    with torch.no_grad():
        for _ in range(20):
            network(pixels)
    return network.eval()


def tiny_recipe(**changes: object) -> Recipe:
    """Two epochs of a 40-thousand-weight ResNet at 24 pixels; ``a__b`` is the key ``a.b``."""
    tree: dict[str, object] = {
        "name": "tiny", "epochs": 2, "batch_size": 16, "ema": 0.8, "data": {"nonfaces": 0.0},
        "network": {"trunk": "test_resnet", "size": 24, "trunk_args": {"channels": [8, 8, 16, 16]}},
        "optimizer": {"lr": 3e-3},
        "augment": {"rotate": 5.0, "shift": 0.04, "erase": 0.2},
    }  # fmt: skip
    for key, value in changes.items():
        *sections, last = key.split("__")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})  # type: ignore[assignment]
        place[last] = value
    return parse(tree)


@pytest.fixture(autouse=True)
def _few_threads() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def faces() -> Dataset:
    return make_faces()


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIEN_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"
