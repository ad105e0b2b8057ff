"""Films of several scenes: people are told apart at hard cuts, and found again after them."""

import numpy as np
import pytest
from PIL import Image

from mien.infer.model import load
from mien.infer.video import read_video, watch
from tests.infer.footage import portrait, write
from tests.tiny import make_bundle


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(make_bundle(tmp_path_factory.mktemp("bundles") / "tiny"), threads=1)


def scene(which):
    """Two scenes with one person each, in nearly the same place."""
    return portrait() if which == "a" else other()


def other():
    import matplotlib.cbook as cbook

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return Image.open(file).convert("RGB").crop((90, 30, 450, 300)).resize((320, 240))


@pytest.fixture(scope="module")
def two_scenes(tmp_path_factory):
    """Half seconds of a, b and a again, as compression leaves them."""
    scenes = [scene(which) for which in "a" * 15 + "b" * 15 + "a" * 15]
    return write(tmp_path_factory.mktemp("cut") / "cut.mp4", scenes, np.arange(45) / 30)


@pytest.mark.parametrize("every", [1, 3, 4])
def test_a_hard_cut_makes_two_people_and_the_first_comes_back(two_scenes, model, every):
    frames = list(read_video(two_scenes, model, every=every, smooth=1.0))
    assert [frame.scene for frame in frames] == [1] * 15 + [2] * 15 + [3] * 15
    assert [face.track for f in frames for face in f.faces] == [1] * 15 + [2] * 15 + [1] * 15


def test_nothing_is_smoothed_across_a_cut(two_scenes, model):
    raw, smooth = (list(read_video(two_scenes, model, smooth=s)) for s in (0.0, 5.0))
    for at in (15, 30):
        assert smooth[at].faces[0].expression == raw[at].faces[0].expression
    assert smooth[44].faces[0].expression != raw[44].faces[0].expression


def test_a_flash_or_fast_motion_is_no_cut(model):
    scenes = [portrait(3 * i) for i in range(12)]
    scenes[6] = Image.new("RGB", (320, 240), "white")
    scenes += [portrait(-25 * (i % 2)) for i in range(8)]
    stills = [
        type("Still", (), {"index": i, "time": i / 30, "image": np.asarray(image)})()
        for i, image in enumerate(scenes)
    ]
    assert {frame.scene for frame in watch(stills, model)} == {1}
