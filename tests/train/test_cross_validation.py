from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.train.conftest import make_faces, tiny_recipe

from mien.measure.predictions import Predictions
from mien.train import cross_validation
from mien.train.cross_validation import fit_folds
from mien.train.run import FACTS, RECIPE
from mien.train.watch import Silent


def test_folds_split_no_group_and_spread_each_emotion():
    emotion = np.arange(210) % 7
    group = np.arange(210)
    group[-14:] = group[:14]
    fold = cross_validation.assign(emotion, group, 5, seed=0)
    assert (fold[-14:] == fold[:14]).all()
    table = np.array([np.bincount(emotion[fold == k], minlength=7) for k in range(5)])
    assert table.min() >= 4
    assert table.max() <= 8


def test_every_picture_is_scored_once_by_a_network_that_has_not_seen_it(tmp_path: Path):
    faces = make_faces(98, copies=7)
    recipe = tiny_recipe(epochs=1)
    table = fit_folds(recipe, faces, tmp_path, folds=2, watch=Silent())
    kept = Predictions.load(tmp_path / cross_validation.OOF)
    assert kept.id.tolist() == faces.id.tolist()
    assert np.array_equal(kept.y, faces.emotion)
    assert np.allclose(kept.label, table.label)
    assert np.allclose(kept.ballot.sum(1), 1)
    assert np.array_equal(kept.counts, faces.votes)
    assert sorted(p.name for p in tmp_path.glob("fold-*")) == ["fold-1-of-2", "fold-2-of-2"]

    class Never(Silent):
        def begin(self, epoch: int, epochs: int, images: int) -> None:
            pytest.fail("a finished fold was trained again")

    again = fit_folds(recipe, faces, tmp_path, folds=2, watch=Never())
    assert np.array_equal(again.label, table.label)
    before = (tmp_path / cross_validation.OOF).read_bytes()
    with pytest.raises(ValueError, match="another recipe"):
        fit_folds(tiny_recipe(epochs=2), faces, tmp_path, folds=3, watch=Never())
    with pytest.raises(ValueError, match="other data"):
        fit_folds(recipe, make_faces(98, seed=1), tmp_path, folds=3, watch=Never())
    assert (tmp_path / cross_validation.OOF).read_bytes() == before


def test_one_of_several_processes_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cross_validation, "score_unseen", lambda recipe, learn, out, place, watch: (
        np.full((len(out), 7), 1 / 7), np.full((len(out), 10), 0.1)
    ))  # fmt: skip
    for rank, files in (("1", []), ("0", [cross_validation.OOF, RECIPE, FACTS])):
        monkeypatch.setenv("RANK", rank)
        fit_folds(tiny_recipe(), make_faces(98), tmp_path, folds=2, watch=Silent())
        assert sorted(path.name for path in tmp_path.iterdir()) == files


@pytest.mark.parametrize("number", [1, 50])
def test_too_many_folds_say_what_is_possible(tmp_path: Path, number: int):
    with pytest.raises(ValueError, match="choose from 2 to 14"):
        fit_folds(tiny_recipe(), make_faces(98), tmp_path, folds=number, watch=Silent())
