from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.train.conftest import make_faces, tiny_recipe

from mien.emotions import NOT_A_FACE, UNKNOWN
from mien.train import augment, samples
from mien.train.fit import batch_maker
from mien.train.loop import masked_cross_entropy
from mien.train.network import upsample
from mien.train.samples import from_dataset, generator

STILL = {"flip": 0.0, "rotate": 0.0, "scale": 0.0, "shift": 0.0, "brightness": 0.0,
         "contrast": 0.0, "erase": 0.0}  # fmt: skip
ALL = slice(0, 32)


def maker(**changes: object):
    recipe = tiny_recipe(batch_size=32, **changes)
    return batch_maker(recipe, from_dataset(make_faces(98)))


def test_without_changes_augmentation_is_the_plain_upsampling():
    images = torch.from_numpy(make_faces(8).images)
    draws = augment.draw(8, generator=generator(0, 0), **STILL)
    for size, crop in ((24, 48), (96, 48), (44, 44), (64, 40)):
        out = augment.apply(images, draws, size=size, crop=crop)
        edge = 0 if crop in (48, size) else 2  # at a crop's edge the picture goes on beyond it
        inside = slice(edge, size - edge)
        plain = upsample(images, size=size, crop=crop)
        assert torch.allclose(out[..., inside, inside], plain[..., inside, inside], atol=0.05)


def test_flip_mirrors():
    images = torch.from_numpy(make_faces(8).images)
    draws = augment.draw(8, generator=generator(0, 0), **STILL | {"flip": 1.0})
    out = augment.apply(images, draws, size=48)
    assert torch.allclose(out[:, 0], images.float().flip(-1), atol=0.05)


def test_erasing_fills_one_rectangle_of_one_grey():
    images = torch.full((64, 48, 48), 255, dtype=torch.uint8)
    draws = augment.draw(64, generator=generator(0, 0), **STILL | {"erase": 1.0})
    out = augment.apply(images, draws, size=48)
    changed = (out[:, 0] < 254.5).flatten(1).float().mean(1)
    assert changed.max() < 0.35
    assert (changed > 0.01).sum() > 50


def test_strength_widens_the_ranges():
    settings = STILL | {"shift": 0.1}
    plain = augment.draw(500, generator=generator(0, 0), **settings).theta[:, :, 2]
    twice = augment.draw(
        500, generator=generator(0, 0), **settings, strength=torch.full((500,), 2.0)
    )
    assert torch.allclose(twice.theta[:, :, 2], 2 * plain)


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_shards_make_up_the_global_batch(mixup: float):
    make, rows = maker(augment__mixup=mixup), torch.arange(32)
    whole = make.make(rows, generator(0, 0, 3), size=24, shard=ALL)
    halves = [
        make.make(rows, generator(0, 0, 3), size=24, shard=slice(16 * k, 16 * k + 16))
        for k in range(2)
    ]
    for name in ("grey", "label", "ballot", "labelled", "voted"):
        parts = torch.cat([getattr(half, name) for half in halves])
        assert torch.equal(parts, getattr(whole, name)), name
    assert halves[0].label_norm == halves[1].label_norm == whole.labelled.sum()


def test_first_rows_are_made_nonfaces_that_count_for_the_ballot_alone():
    batch = maker(data__nonfaces=0.25).make(
        torch.arange(32), generator(0, 0, 0), size=24, shard=ALL
    )
    assert (batch.ballot[:8].argmax(1) == NOT_A_FACE).all()
    assert batch.labelled.tolist() == [0.0] * 8 + [1.0] * 24
    assert batch.label_norm == 24


def test_mixed_targets_stay_distributions_and_ignore_what_does_not_count():
    batch = maker(augment__mixup=1.0, data__nonfaces=0.25, targets__smoothing=0.0).make(
        torch.arange(32), generator(0, 0, 0), size=24, shard=ALL
    )
    counted = batch.labelled > 0
    assert torch.allclose(batch.label[counted].sum(1), torch.ones(int(counted.sum())), atol=1e-5)
    assert torch.allclose(batch.ballot.sum(1), torch.ones(32), atol=1e-5)
    assert ((batch.label > 0).sum(1) == 2).any()
    assert batch.labelled.max() <= 1


def test_class_weights_have_mean_one_and_favour_the_rare():
    label = torch.tensor([0] * 80 + [1] * 20)
    weight = samples.label_weights(label, 1.0)
    assert weight is not None
    assert torch.isclose(weight[label].mean(), torch.tensor(1.0))
    assert torch.isclose(weight[1] / weight[0], torch.tensor(4.0))
    assert samples.label_weights(label, 0.0) is None


def test_balanced_sampling_gives_each_emotion_the_same_chance():
    label = torch.tensor([0] * 80 + [1] * 20)
    chance = samples.row_weights(label, 1.0)
    assert chance is not None
    assert torch.isclose(chance[label == 0].sum(), chance[label == 1].sum())


def test_rarest_emotion_is_changed_most():
    label = torch.tensor(
        [e for e, n in enumerate((400, 10, 300, 700, 500, 450, 320)) for _ in range(n)]
    )
    strength = samples.strengths(label, 1.0)
    assert strength is not None
    assert strength[3] == 1
    assert strength[1] == 2
    assert strength.argmax() == 1
    strength = samples.strengths(torch.tensor([0] * 100 + [1] * 50), 1.0)
    assert strength is not None
    assert strength[:2].tolist() == [1, 2]  # though five others do not occur


def test_teacher_mixes_into_targets_and_stands_alone_where_nobody_voted():
    make = maker(targets__teacher_weight=0.25, targets__smoothing=0.0)
    taught = torch.zeros(98, 17)
    taught[:, 2], taught[:, 7 + 4] = 1, 1
    samples = replace(make.samples, teacher=taught)
    samples.voted[5] = 0
    make = replace(make, samples=samples)
    batch = make.make(torch.arange(32), generator(0, 0, 0), size=24, shard=ALL)
    assert torch.allclose(batch.label[0], torch.tensor([0.75, 0, 0.25, 0, 0, 0, 0]))
    assert batch.ballot[5].tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert torch.isclose(batch.ballot[1].sum(), torch.tensor(1.0))
    assert batch.voted.sum() == 32


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_a_teacher_of_batches_sees_what_the_network_sees(mixup: float):
    seen: list[torch.Tensor] = []

    def answer(grey: torch.Tensor) -> torch.Tensor:
        seen.append(grey)
        taught = torch.zeros(len(grey), 17)
        taught[:, 2], taught[:, 7 + 4] = 1, 1
        return taught

    make = maker(
        targets__teacher_weight=0.25, targets__smoothing=0.0, augment__mixup=mixup,
        data__nonfaces=0.125,
    )  # fmt: skip
    make.samples.voted[20] = 0
    plain = make.make(torch.arange(32), generator(0, 0, 0), size=48, shard=ALL)
    make = replace(make, teacher=answer)
    batch = make.make(torch.arange(32), generator(0, 0, 0), size=48, shard=ALL)
    assert torch.equal(seen[0], batch.grey)
    assert torch.equal(batch.grey, plain.grey)
    # A constant teacher mixes as if it had been asked before; what is no face keeps its target.
    taught = answer(torch.ones(98))
    once = replace(make, teacher=None, samples=replace(make.samples, teacher=taught))
    before = once.make(torch.arange(32), generator(0, 0, 0), size=48, shard=ALL)
    counted = batch.labelled > 0
    assert torch.allclose(batch.label[counted], before.label[counted], atol=1e-6)
    for name in ("ballot", "labelled", "voted", "ballot_norm"):
        assert torch.allclose(getattr(batch, name), getattr(before, name), atol=1e-6), name
    if not mixup:
        assert torch.equal(batch.ballot[:4], plain.ballot[:4])
        assert torch.allclose(batch.label[4:, 2], 0.75 * plain.label[4:, 2] + 0.25)
    assert torch.allclose(batch.label.sum(1), torch.ones(32))
    half = make.make(torch.arange(32), generator(0, 0, 0), size=48, shard=slice(16, 32))
    assert torch.allclose(half.label, batch.label[16:])
    assert torch.allclose(half.ballot, batch.ballot[16:])
    assert half.ballot_norm == batch.ballot_norm


def test_loss_is_the_mean_over_counted_rows():
    logits = torch.randn(6, 7)
    target = samples.label_targets(torch.arange(6), classes=7, smoothing=0.1)
    mask = torch.tensor([1.0, 1, 1, 0, 0, 0])
    loss = masked_cross_entropy(logits, target, mask, mask.sum())
    oracle = torch.nn.functional.cross_entropy(logits[:3], torch.arange(3), label_smoothing=0.1)
    assert torch.isclose(loss, oracle)


def test_gamma_bends_greys_and_leaves_black_and_white():
    images = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).repeat(8, 576).view(8, 48, 48)
    draws = augment.draw(8, generator=generator(0, 0), **STILL, gamma=1.0)
    assert ((draws.gamma >= 0.5) & (draws.gamma <= 2)).all()
    bent = augment.degrade(images[:, None].float(), draws)[:, 0]
    assert torch.equal(bent[images == 0], torch.zeros(8 * 576))
    assert torch.allclose(bent[images == 255], torch.tensor(255.0))
    assert torch.allclose(bent[:, 0, 1], 255 * (64 / 255) ** draws.gamma)


def test_shrinking_blurs_some_pictures_and_moves_their_ballots_to_unknown():
    images = torch.randint(0, 256, (400, 48, 48), generator=generator(0, 0)).to(torch.uint8)
    draws = augment.draw(400, generator=generator(0, 0), **STILL, shrink=0.25)
    shrunk = draws.side < 48
    assert 70 < shrunk.sum() < 130
    seen = augment.degrade(images[:, None].float(), draws)[:, 0]
    assert torch.equal(seen[~shrunk], images[~shrunk].float())
    assert (seen[shrunk].std(dim=(1, 2)) < 0.7 * images[shrunk].float().std(dim=(1, 2))).all()
    ballot = torch.zeros(400, 11)
    ballot[:, 0] = 1
    moved = augment.doubt(ballot, draws)
    assert torch.allclose(moved.sum(1), torch.ones(400))
    assert torch.equal(moved[draws.side >= 24], ballot[draws.side >= 24])
    assert torch.allclose(moved[draws.side == 12][:, UNKNOWN], torch.tensor(0.5))


def test_pictures_that_are_not_shrunk_keep_their_targets_to_the_bit():
    rows = torch.arange(32)
    plain = maker().make(rows, generator(0, 0, 0), size=24, shard=ALL)
    some = maker(augment__shrink=0.5).make(rows, generator(0, 0, 0), size=24, shard=ALL)
    same = (plain.ballot == some.ballot).all(dim=1)
    assert 8 < same.sum() < 32
    assert torch.equal(plain.label, some.label)
