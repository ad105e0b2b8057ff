"""What a network says of pictures while it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.train.conftest import make_faces, tiny_recipe

from mien.train import fit, scoring
from mien.train.watch import Silent


def test_scores_on_the_way_are_as_precise_as_the_training_and_those_at_its_end_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[bool] = []
    exact = scoring.predict_sharded

    def noted(*given: Any, bf16: bool, **more: Any) -> Any:
        asked.append(bf16)
        return exact(*given, bf16=bf16, **more)

    monkeypatch.setattr(scoring, "predict_sharded", noted)
    faces, valid = make_faces(49), make_faces(21, seed=3)
    for precision, expected in (
        ("bf16", [True, True, False, False]),  # three epochs, then the network that is kept
        ("float32", [False] * 4),
    ):
        asked.clear()
        recipe = tiny_recipe(epochs=3, precision=precision)
        fit.fit(recipe, faces, tmp_path / precision, watch=Silent(), valid=valid)
        assert asked == expected


def test_bf16_moves_scores_little(tmp_path: Path):
    faces = make_faces(150)  # more than one batch
    network = fit.fit(tiny_recipe(epochs=3), faces, tmp_path, watch=Silent())
    images = torch.from_numpy(faces.images)
    exact, near = (scoring.predict(network, images, size=24, bf16=bf16) for bf16 in (False, True))
    for one, other in zip(exact, near, strict=True):
        assert len(other) == 150 and other.dtype == torch.float32
        assert other.sum(1).numpy() == pytest.approx(1, abs=1e-5)
        assert 0 < (one - other).abs().max() < 0.03
    alone, _ = scoring.predict(network, images[140:141], size=24)
    assert alone.numpy() == pytest.approx(exact[0][140:141].numpy(), abs=1e-5)
