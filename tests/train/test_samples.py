from __future__ import annotations

import numpy as np
import torch
from tests.train.conftest import make_faces

from mien.emotions import BALLOT_INDEX
from mien.train.samples import (
    batches,
    from_dataset,
    generator,
    holdout_split,
    sample_groups,
    trainable,
)


def test_an_epoch_visits_each_row_once_in_full_batches():
    rows = torch.cat(list(batches(50, 16, seed=1, epoch=0)))
    assert len(rows) == 48
    assert len(rows.unique()) == 48


def test_order_depends_on_seed_and_epoch_alone():
    def first(seed: int, epoch: int) -> list[int]:
        return next(iter(batches(50, 16, seed=seed, epoch=epoch))).tolist()

    assert first(1, 0) == first(1, 0)
    assert first(1, 0) != first(1, 1)
    assert first(1, 0) != first(2, 0)


def test_weighted_rows_are_drawn_by_weight():
    weight = torch.tensor([1.0] * 90 + [9.0] * 10)
    rows = torch.cat(
        [b for e in range(20) for b in batches(100, 50, seed=0, epoch=e, weight=weight)]
    )
    assert 0.42 < (rows >= 90).float().mean() < 0.58


def test_generators_differ_between_batches():
    draws = {torch.rand(1, generator=generator(0, 0, b)).item() for b in range(-1, 50)}
    assert len(draws) == 51


def test_holdout_splits_no_group():
    group = np.repeat(np.arange(40), 3)
    learn, held = holdout_split(group, 0.25, seed=0)
    assert held.sum() == 30
    assert not set(group[learn]) & set(group[held])
    assert sample_groups(group, 0.5, seed=0).sum() == 60


def test_rows_without_votes_are_left_out_only_where_others_have_some():
    faces = make_faces(14)
    faces.votes[3] = -1
    assert len(trainable(faces)) == 13
    faces.votes[:] = -1
    assert len(trainable(faces)) == 14
    samples = from_dataset(faces)
    assert samples.voted.sum() == 0
    assert samples.ballot.sum() == 0


def test_ballot_is_shares():
    samples = from_dataset(make_faces(14))
    assert torch.allclose(samples.ballot.sum(1), torch.ones(14))
    named = samples.ballot[torch.arange(14), torch.tensor(BALLOT_INDEX)[samples.label]]
    assert (named >= 0.8).all()
