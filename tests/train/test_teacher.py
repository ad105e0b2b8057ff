from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tests.tiny import make_bundle
from tests.train.conftest import make_faces, tiny_recipe

from mien.bundle import CARD, BundleError, Card, load
from mien.measure.calibrate import Calibration, Scaling
from mien.train import fit, teacher
from mien.train.ship.recalibrate import recalibrate
from mien.train.watch import Silent


def test_views_are_the_crop_shifted_and_mirrored():
    crops = make_faces(3).images
    views = list(teacher.views(crops))
    assert len(views) == teacher.VIEWS == len({view.tobytes() for view in views})
    assert np.array_equal(views[0][:, 2:, 2:], crops[:, :-2, :-2])
    assert np.array_equal(views[1], views[0][:, :, ::-1])
    assert np.array_equal(views[6][:, :-2, :-2], crops[:, 2:, 2:])


def test_two_views_are_the_crop_and_its_mirror_image(tmp_path: Path):
    bundle, crops = make_bundle(tmp_path / "teacher"), make_faces(3).images
    plain, mirrored = teacher.views(crops, 2)
    assert np.array_equal(plain, crops)
    assert np.array_equal(mirrored, crops[:, :, ::-1])
    scores = teacher.ask(str(bundle), crops, cache=tmp_path / "cache", count=2)
    direct = onnxruntime.InferenceSession(bundle / "model.onnx").run(["label"], {"faces": mirrored})
    assert scores.shape == (3, 2, 17)
    assert np.allclose(scores[:, 1, :7], direct[0], atol=1e-3)


def test_the_teacher_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    bundle, crops = make_bundle(tmp_path / "teacher"), make_faces(10).images
    scores = teacher.ask(str(bundle), crops, cache=tmp_path / "cache", batch=4)
    assert scores.shape == (10, 8, 17)
    assert np.allclose(scores[:, :, :7].sum(2, dtype=np.float64), 1, atol=5e-3)
    session = onnxruntime.InferenceSession(bundle / "model.onnx")
    fifth = session.run(["ballot"], {"faces": list(teacher.views(crops[5:6]))[3]})[0]
    assert np.allclose(scores[5, 3, 7:], fifth[0], atol=1e-3)
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)
    assert np.array_equal(teacher.ask(str(bundle), crops, cache=tmp_path / "cache"), scores)


def test_a_calibrated_teacher_teaches_what_it_learnt(tmp_path: Path):
    """What its calibration was fitted to is held back from training."""
    plain, crops = load(str(make_bundle(tmp_path / "plain"))), make_faces(6).images
    scaling = Scaling(tuple(np.linspace(0.6, 1.5, 10)), tuple(np.linspace(-1, 1, 10)))
    recalibrate(plain, Calibration(1.4, scaling, "test (9)"), tmp_path / "fitted", name="fitted")
    learnt, fitted = (
        teacher.ask(str(tmp_path / name), crops, cache=tmp_path / "cache", count=2)
        for name in ("plain", "fitted")
    )
    assert np.allclose(fitted, learnt, atol=2e-3)
    session = onnxruntime.InferenceSession(tmp_path / "fitted" / "model.onnx")
    ballot = session.run(["ballot"], {"faces": crops})[0]
    assert np.abs(ballot - learnt[:, 0, 7:]).max() > 0.1
    grey = torch.from_numpy(crops[:, None].astype(np.float32))
    asked = teacher.on_batches(str(tmp_path / "fitted"))(grey)
    assert np.allclose(asked, learnt[:, 0], atol=2e-3)


def test_a_stopped_teacher_goes_on(tmp_path: Path):
    bundle, crops = make_bundle(tmp_path / "teacher"), make_faces(10).images
    whole = teacher.ask(str(bundle), crops, cache=tmp_path / "whole", batch=4)
    told: list[int] = []

    def stop(done: int, total: int) -> None:
        told.append(done)
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teacher.ask(str(bundle), crops, cache=tmp_path / "cache", batch=4, track=stop)
    again = teacher.ask(
        str(bundle), crops, cache=tmp_path / "cache", batch=4, track=lambda d, n: told.append(d)
    )
    assert told == [0, 4, 4, 8, 10]
    assert np.array_equal(again, whole)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()].count(".npy") == 1
    assert not list((tmp_path / "cache").glob("*.part"))


def test_a_teacher_with_mirror_views_is_asked_half_as_often(tmp_path: Path):
    bundle, crops = make_bundle(tmp_path / "teacher"), make_faces(3).images
    card = Card.read(bundle / CARD)
    replace(card, views=2).write(bundle / CARD)
    scores = teacher.ask(str(bundle), crops, cache=tmp_path / "cache")
    assert np.array_equal(scores[:, 0::2], scores[:, 1::2])


def test_temperature_flattens():
    scores = np.zeros((1, 8, 17), np.float16)
    scores[:, :, 0], scores[:, :, 1], scores[:, :, 7] = 0.75, 0.25, 1
    plain, flat = teacher.targets(scores), teacher.targets(scores, 2.0)
    assert plain[0, :2].tolist() == pytest.approx([0.75, 0.25], abs=1e-4)
    root = 3**0.5
    assert (flat[0, 0] / flat[0, 1]).item() == pytest.approx(root, abs=1e-3)
    assert flat[0, 7:].sum().item() == pytest.approx(1)


def test_a_run_learns_from_a_teacher(tmp_path: Path, runs: Path):
    bundle = make_bundle(tmp_path / "teacher")
    recipe = tiny_recipe(epochs=1, targets__teacher=str(bundle))
    taught = fit.fit(recipe, make_faces(64), runs / "taught", watch=Silent())
    plain = fit.fit(tiny_recipe(epochs=1), make_faces(64), runs / "plain", watch=Silent())
    assert not np.allclose(taught.label.weight.detach(), plain.label.weight.detach())
    assert len(list((runs / "teachers").glob("*.npy"))) == 1


def test_a_teacher_of_batches_keeps_no_answers_and_a_run_with_it_repeats(
    tmp_path: Path, runs: Path
):
    settings = {"epochs": 1, "targets__teacher": str(make_bundle(tmp_path / "teacher"))}
    recipe = tiny_recipe(**settings, targets__teacher_views=0, augment__mixup=0.4)
    first, again = (
        fit.fit(recipe, make_faces(64), runs / name, watch=Silent()) for name in ("one", "two")
    )
    assert not (runs / "teachers").exists()
    assert torch.equal(first.label.weight, again.label.weight)
    once = tiny_recipe(**settings, augment__mixup=0.4)
    other = fit.fit(once, make_faces(64), runs / "once", watch=Silent())
    assert not torch.allclose(first.label.weight, other.label.weight)


def test_answers_about_a_batch_are_those_of_the_bundle(tmp_path: Path):
    bundle, crops = make_bundle(tmp_path / "teacher"), make_faces(10).images
    answer = teacher.on_batches(str(bundle))(torch.from_numpy(crops[:, None]).float() + 0.3)
    direct = onnxruntime.InferenceSession(bundle / "model.onnx").run(None, {"faces": crops})
    assert np.allclose(answer, np.concatenate(direct[:2], axis=1), atol=1e-4)


def test_no_such_teacher(tmp_path: Path, runs: Path):
    with pytest.raises(BundleError, match="no model 'nobody'"):
        fit.fit(
            tiny_recipe(targets__teacher="nobody"), make_faces(64), tmp_path / "r", watch=Silent()
        )


def test_two_that_ask_at_once_get_one_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As `mien tune --jobs 2` does; the second waits for what the first is told."""
    bundle, crops = make_bundle(tmp_path / "teacher"), make_faces(10).images
    opened = []
    original = teacher.Lanes
    monkeypatch.setattr(teacher, "Lanes", lambda g, **how: opened.append(g) or original(g, **how))
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: teacher.ask(str(bundle), crops, cache=tmp_path / "c"), range(4))
        )
    assert len(opened) == 1
    assert all(np.array_equal(answer, answers[0]) for answer in answers)
