"""What a pipeline makes of a recipe, and how it measures a network's speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.train.recipe import Recipe
from mien.workflows import families
from mien.workflows.settings import STUDENT, Options


def test_few_pictures_are_learnt_in_small_batches():
    def batch(images: int, *overrides: str) -> int:
        options = Options(teacher="", overrides=overrides)
        member = families.Member("test_resnet", "resnet18")
        return families.load(member, Path(), options, [], teacher="", images=images).batch_size

    usual = batch(100_000)
    assert batch(300) == 16
    assert batch(13) == 2
    assert batch(usual * families.BATCHES) == usual
    assert batch(13, "batch_size=8") == 8


def test_augmentation_is_as_strong_as_a_training_is_long():
    member = families.Member("resnet", "face_resnet")

    def erase(epochs: int, *overrides: str) -> float:
        options, changed = Options(teacher="", overrides=overrides), families.milder(member, epochs)
        changed = [f"epochs={epochs}", *changed]
        made = families.load(member, Path(), options, changed, teacher="", images=9999)
        return made.augment.erase

    assert (erase(80), erase(60), erase(30), erase(15)) == (0.3, 0.3, 0.15, 0.075)
    assert erase(29, "augment.erase=0.2") == 0.2


def test_a_network_is_timed_as_it_will_be_frozen(monkeypatch: pytest.MonkeyPatch):
    """Three quarters of the images at 200 a second and a quarter at 100: 160 in the mean."""

    def speed(recipe: Recipe, train: object) -> float:
        return 200.0 if recipe.frozen_at(0) else 100.0

    monkeypatch.setattr(families, "images_per_second", speed)
    options = Options(teacher="", overrides=('transfer.freeze={"0.25"="layer1"}',))
    member = families.Member("resnet", "resnet18")
    timed: list[str] = []
    found = families.speeds(
        member, options, images=9999, tell=lambda stage, done, total: timed.append(stage)
    )
    assert list(found) == [48, 64] and timed[0] == "timing resnet"
    assert list(found.values()) == pytest.approx([160, 160])


def test_a_teacher_has_a_share_of_the_members_targets():
    def targets(name: str, teacher: str, *overrides: str, share: float = 0.6) -> tuple[float, int]:
        member = families.Member(name, "half_hour")
        made = families.load(
            member, Path(), Options(overrides=overrides), [], teacher=teacher, images=9999,
            share=share,
        ).targets  # fmt: skip
        assert made.teacher == (teacher if share or name == STUDENT else "")
        return made.teacher_weight, made.teacher_views

    assert targets("mobilenet", "default") == (0.6, 2)
    assert targets("mobilenet", "default", "targets.teacher_weight=0.4") == (0.4, 2)
    assert targets("mobilenet", "default", share=0.3) == (0.3, 2)
    own = targets("mobilenet", "")
    assert own == targets("mobilenet", "default", share=0) == targets(STUDENT, "default", share=0)


@pytest.mark.parametrize(
    ("name", "asked", "overrides", "teacher"),
    [
        ("resnet", "default", ("targets.teacher_views=0",), "default"),
        ("resnet", "", ("targets.teacher_views=0",), ""),
        ("resnet", "default", (), ""),
        (STUDENT, "default", ("targets.teacher_views=0",), ""),
    ],
)
def test_a_network_is_timed_with_a_teacher_that_sees_each_batch(
    monkeypatch: pytest.MonkeyPatch, name: str, asked: str, overrides: tuple[str, ...], teacher: str
):
    """Not with one that is asked before the first epoch, nor with one that is not there yet."""
    timed: list[str] = []

    def speed(recipe: Recipe, train: object) -> float:
        timed.append(recipe.targets.teacher)
        return 100.0

    monkeypatch.setattr(families, "images_per_second", speed)
    options = Options(teacher=asked, overrides=overrides)
    member = families.Member(name, "resnet18")
    families.speeds(member, options, images=9999, tell=lambda stage, done, total: None)
    assert set(timed) == {teacher}
