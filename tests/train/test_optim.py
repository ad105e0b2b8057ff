from __future__ import annotations

import pytest
import torch
from tests.train.conftest import tiny_recipe
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from mien.train import optim
from mien.train.optim import lr_factor, plateau_factor, stale_epochs
from mien.train.starts.build import build


def tiny_network():
    return build("test_resnet", trunk_args={"channels": [8, 8, 16, 16]})


def test_cosine_warms_up_and_ends_near_zero():
    rates = [lr_factor(s, 100, name="cosine", warmup=0.1, floor=0.0) for s in range(100)]
    assert rates[0] < 0.1
    assert max(rates) == rates[10] == 1
    assert rates[-1] < 1e-3
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_one_cycle_is_torchs():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    oracle = OneCycleLR(
        optimizer, max_lr=1.0, total_steps=101, pct_start=0.3, cycle_momentum=False,
        final_div_factor=1e4,
    )  # fmt: skip
    for step in range(101):
        ours = lr_factor(step, 101, name="one-cycle", warmup=0.3, floor=0.0)
        assert ours == pytest.approx(oracle.get_last_lr()[0], abs=1e-3)
        optimizer.step()
        oracle.step()


def test_plateau_is_torchs():
    scores = [0.1, 0.3, 0.29, 0.28, 0.27, 0.35, 0.35, 0.34, 0.3, 0.31, 0.2]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=1, threshold=0.0, threshold_mode="abs"
    )
    for done, score in enumerate(scores, start=1):
        oracle.step(score)
        ours = plateau_factor(scores[:done], patience=2, factor=0.5)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"])


def test_stale_epochs_count_since_the_best():
    assert [stale_epochs(s) for s in ([], [1], [1, 2], [3, 2, 1], [1, 3, 3])] == [0, 0, 0, 2, 1]


def test_layers_learn_slower_the_deeper_they_lie():
    network = tiny_network()
    optimizer = optim.build_optimizer(
        network, name="adamw", lr=1.0, head_lr=5.0, weight_decay=0.1, momentum=0.9, layer_decay=0.5
    )
    rate = {id(p): group["peak_lr"] for group in optimizer.param_groups for p in group["params"]}
    named = {name: rate[id(p)] for name, p in network.named_parameters()}
    assert named["label.weight"] == named["ballot.bias"] == 5
    assert named["trunk.layer4.0.conv1.weight"] == 1
    assert named["trunk.layer3.0.conv1.weight"] == 0.5
    assert named["trunk.conv1.0.weight"] == min(named.values()) < 0.2
    assert len(named) == len(rate)


def test_norms_and_biases_are_not_decayed():
    optimizer = optim.build_optimizer(
        tiny_network(), name="sgd", lr=1.0, head_lr=None, weight_decay=0.1, momentum=0.9, fused=True
    )
    for group in optimizer.param_groups:
        decays = {p.ndim > 1 for p in group["params"]}
        assert decays == {group["weight_decay"] == 0.1}


def test_unknown_optimiser_lists_known_ones():
    with pytest.raises(ValueError, match="adamw"):
        optim.build_optimizer(
            tiny_network(), name="adamm", lr=1, head_lr=None, weight_decay=0, momentum=0
        )


def test_schedule_starts_with_unfreezing():
    recipe = tiny_recipe(epochs=3, transfer__frozen_epochs=1, optimizer__head_lr=1e-2)
    optimizer = optim.build_optimizer(
        tiny_network(), **recipe.optimizer.model_dump(exclude={"clip"})
    )
    heads = next(g for g in optimizer.param_groups if g["peak_lr"] == 1e-2)
    optim.set_step(recipe, optimizer, [], 10, 9)
    assert heads["lr"] == 1e-2
    optim.set_step(recipe, optimizer, [{}], 10, 0)
    assert heads["lr"] < 0.5e-2


def test_dlibs_trunk_has_layers_and_others_say_that_they_have_none():
    depth = optim.layer_depths(build("face_resnet29").trunk)
    assert depth["blocks.13.conv2.weight"] == 0
    assert depth["conv1.weight"] == depth["bn1.bias"] == 14
    with pytest.raises(ValueError, match=r"transfer\.layer_decay: Linear"):
        optim.layer_depths(torch.nn.Linear(2, 2))


@pytest.mark.parametrize("name", ["adahessian", "bnbadam", "fusedadam"])
def test_optimisers_that_cannot_be_had_say_so(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=name):
        optim.build_optimizer(
            tiny_network(), name=name, lr=1, head_lr=None, weight_decay=0, momentum=0
        )


def test_epochs_with_a_frozen_trunk_do_not_count_towards_early_stopping():
    recipe = tiny_recipe(
        epochs=9, transfer__frozen_epochs=3, stopping__patience=2, data__holdout=0.1
    )
    history = [{"epoch": e + 1, optim.SCORE: s} for e, s in enumerate([0.5, 0.4, 0.3, 0.2, 0.1])]
    assert not optim.enough(recipe, history)
    assert optim.kept_row(recipe, history)["epoch"] == 4
    assert optim.enough(recipe, [*history, {"epoch": 6, optim.SCORE: 0.1}])
    assert optim.kept_row(tiny_recipe(), history)["epoch"] == 5
    assert not optim.enough(tiny_recipe(), [{"epoch": 1}])  # nothing is held out
