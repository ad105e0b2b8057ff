"""A budget is shared so that each network trains, and none longer than it has."""

import itertools

import pytest

from mien.workflows.plan import RESERVE, Plan, make, to_seconds

SPEEDS = {
    "vgg19": {48: 120.0, 64: 60.0},
    "resnet": {64: 400.0, 96: 180.0, 112: 130.0},
    "efficientnet": {64: 300.0, 80: 200.0, 112: 100.0},
}
RECIPES = {name: f"{name}-recipe" for name in SPEEDS}


@pytest.mark.parametrize("minutes", [12, 30, 90, 240])
def test_the_budget_is_kept_and_used(minutes):
    plan = make(SPEEDS, RECIPES, images=20_000, budget=minutes * 60, overhead=60)
    assert plan.seconds <= minutes * 60 * (1 - RESERVE) - 60 + 1e-6
    assert plan.seconds >= 0.6 * (minutes * 60 * (1 - RESERVE) - 60)
    assert all(choice.epochs >= 1 for choice in plan.choices)
    assert {choice.member for choice in plan.choices} == set(SPEEDS)


def test_more_time_gives_more_epochs_and_then_larger_pictures():
    by_budget = [
        {c.member: c for c in make(SPEEDS, RECIPES, images=20_000, budget=m * 60).choices}
        for m in (20, 60, 400)
    ]
    for few, more in itertools.pairwise(by_budget):
        for member in SPEEDS:
            larger = max(more[member].sizes) > max(few[member].sizes)
            assert larger or more[member].epochs >= few[member].epochs
    assert max(by_budget[-1]["resnet"].sizes) == 112
    assert max(by_budget[0]["resnet"].sizes) < 112


def test_a_network_too_slow_for_large_pictures_has_them_late():
    """Pictures cost as much as in 90 minutes of FER-2013: ten epochs at 64 pixels are too many."""
    speeds = {"vgg19": {48: 142.0, 64: 90.0}, "mobilenet": {80: 806.0, 96: 667.0}}
    plan = make(speeds, dict.fromkeys(speeds, "any"), images=22_400, budget=3200)
    small, slow = plan.choices
    assert (small.sizes, small.small) == ((80, 96), 0.35)
    assert (slow.sizes, slow.small) == ((48, 64), 0.7)
    assert slow.epochs >= 10


def test_what_rounding_leaves_gives_epochs():
    speeds = {"slow": {48: 100.0}, "fast": {48: 1000.0}}
    for budget in range(1000, 2400, 170):
        plan = make(speeds, dict.fromkeys(speeds, "any"), images=10_000, budget=budget)
        unused = budget * (1 - RESERVE) - plan.seconds
        assert 0 <= unused < 100 + 10


def test_few_pictures_do_not_train_for_ever():
    plan = make(SPEEDS, RECIPES, images=200, budget=7200)
    assert {choice.epochs for choice in plan.choices} == {60}


def test_too_short_a_budget_says_what_would_do():
    with pytest.raises(ValueError, match=r"give --budget (\d+)m") as told:
        make(SPEEDS, RECIPES, images=20_000, budget=120)
    minutes = int(str(told.value).split("--budget ")[1].split("m")[0])
    assert make(SPEEDS, RECIPES, images=20_000, budget=minutes * 60).seconds > 0


def test_a_plan_survives_its_file():
    plan = make(SPEEDS, RECIPES, images=20_000, budget=3600)
    again = Plan.from_dict(plan.to_dict())
    assert again.to_dict() == plan.to_dict()
    assert again.choices[0].sizes == plan.choices[0].sizes


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45m", 2700), ("2h", 7200), ("5", 300)]
)
def test_times(text, seconds):
    assert to_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "soon", "-5m", "1d"])
def test_no_times(text):
    with pytest.raises(ValueError, match="90s, 45m or 2h"):
        to_seconds(text)
