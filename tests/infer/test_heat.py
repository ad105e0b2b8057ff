import numpy as np
import pytest
from skimage import data

import mien
from mien.infer.heat import colours, heat, unit_map
from tests.tiny import make_bundle


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return mien.load(make_bundle(tmp_path_factory.mktemp("bundles") / "tiny"), threads=1)


def test_heat_lies_on_the_face_and_nowhere_else(model):
    image = data.astronaut()
    faces = model.analyze(image, cam=True, min_face=80)
    changed = np.abs(heat(image, faces).astype(int) - image).sum(axis=2) > 20
    rows, columns = np.nonzero(changed)
    left, top, right, bottom = faces[0].box
    assert changed.any()
    assert abs(columns.mean() - (left + right) / 2) < 40
    assert abs(rows.mean() - (top + bottom) / 2) < 40
    assert changed.mean() < 0.2


def test_the_hottest_place_of_the_map_is_the_hottest_of_the_picture(model):
    from dataclasses import replace

    grey = np.full((96, 96, 3), 128, np.uint8)
    face = model.analyze(grey, crops=True, cam=True)[0]
    cam = np.zeros((7, 4, 4), np.float32)
    cam[face.expression.top.position, 1, 2] = 3
    face = replace(face, expression=replace(face.expression, cam=cam))
    warm = heat(grey, [face]).astype(int)
    row, column = np.unravel_index((warm[..., 0] - warm[..., 2]).argmax(), (96, 96))
    assert abs(row - 36) < 14
    assert abs(column - 60) < 14


def test_faces_without_maps_leave_the_picture_alone(model):
    image = data.astronaut()
    assert (heat(image, model.analyze(image, min_face=80)) == image).all()


def test_colours_rise_in_lightness():
    light = colours(np.linspace(0, 1, 20, dtype=np.float32)).sum(axis=1)
    assert (np.diff(light) > 0).all()
    assert unit_map(np.full((2, 2), -1, np.float32)).max() == 0
