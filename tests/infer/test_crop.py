import numpy as np
import pytest
from benchmarks.montage import PORTRAITS
from PIL import Image

from mien import images
from mien.infer.crop import SIDE, crop_face, placement, similarity, to_crop, warp
from mien.infer.detect import LANDMARKS, Detection
from mien.infer.retinaface import RetinaFace

TEMPLATE = np.array(list(LANDMARKS.values()), np.float32)


@pytest.fixture(scope="module")
def detector() -> RetinaFace:
    return RetinaFace(threads=1)


def soft(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth grey texture."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 12, width // 12), np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def framed(matrix: np.ndarray) -> Detection:
    """A face whose landmarks lie exactly where ``matrix`` takes the frame."""
    points = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    return Detection((0, 0, 1, 1), points.astype(np.float32), 1.0)


def turn(degrees: float, scale: float, x: float, y: float) -> np.ndarray:
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[c, -s, x], [s, c, y]])


def test_similarity_recovers_a_known_move() -> None:
    matrix = turn(33, 2.5, 17, -4)
    target = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(similarity(TEMPLATE.astype(float), target), matrix, atol=1e-4)


def test_a_crop_in_a_larger_canvas_comes_back_as_itself() -> None:
    crop = soft(SIDE, SIDE)
    canvas = np.zeros((200, 300), np.uint8)
    canvas[70:118, 130:178] = crop
    back = crop_face(canvas, framed(turn(0, 1, 130, 70)))
    assert np.abs(back.astype(int) - crop).max() <= 1


@pytest.mark.parametrize("scale", [0.4, 1.7, 3.0, 8.5])
@pytest.mark.parametrize("degrees", [0, 30, -40])
def test_any_size_and_roll_comes_back(scale: float, degrees: float) -> None:
    """A picture made by moving a crop is undone by cropping it."""
    crop = soft(SIDE, SIDE, seed=3)
    matrix = turn(degrees, scale, 400, 300)
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    big = Image.fromarray(crop).transform(
        (900, 900), Image.Transform.AFFINE, inverse.ravel().tolist(), Image.Resampling.BICUBIC
    )
    back = crop_face(np.asarray(big), framed(matrix))[4:-4, 4:-4].astype(float)
    assert np.corrcoef(back.ravel(), crop[4:-4, 4:-4].ravel())[0, 1] > 0.985


def test_small_rolls_stay_and_large_ones_are_turned() -> None:
    def left_over(degrees: float) -> float:
        matrix = placement(framed(turn(degrees, 2, 50, 50)))
        return degrees - np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))

    assert left_over(8) == pytest.approx(8, abs=0.1)
    assert left_over(30) == pytest.approx(0, abs=0.1)
    assert left_over(-30) == pytest.approx(0, abs=0.1)
    residues = [left_over(angle) for angle in np.linspace(0, 40, 81)]
    assert np.abs(np.diff(residues)).max() < 1.5  # no jump as a head turns


@pytest.mark.parametrize("scale", [0.5, 0.8])
def test_portraits_come_back_from_a_larger_picture(detector: RetinaFace, scale: float) -> None:
    for path, _ in PORTRAITS:
        picture = images.read(path)
        crop = crop_face(picture, detector.detect(picture)[0])
        small = Image.fromarray(picture)
        small = small.resize((round(small.width * scale), round(small.height * scale)))
        canvas = Image.new("RGB", (640, 480), (127, 127, 127))
        canvas.paste(small, (90, 20))
        again = crop_face(np.asarray(canvas), detector.detect(np.asarray(canvas))[0])
        assert np.corrcoef(again.ravel(), crop.ravel())[0, 1] > 0.8
        assert np.abs(again.astype(float) - crop).mean() < 20


def test_a_crop_of_its_own_comes_back_at_its_place() -> None:
    detector = RetinaFace(threshold=0.4)  # a head without hair and neck is a less certain one
    path, _ = PORTRAITS[0]
    picture = images.read(path)
    crop = crop_face(picture, detector.detect(picture)[0])
    canvas = np.full((240, 320, 3), 127, np.uint8)
    canvas[90:186, 120:216] = np.asarray(Image.fromarray(crop).resize((96, 96)))[:, :, None]
    again = crop_face(canvas, detector.detect(canvas)[0])
    assert np.corrcoef(again.ravel(), crop.ravel())[0, 1] > 0.8


@pytest.mark.parametrize("angle", [-30, 30])
def test_rolled_portraits_come_out_upright(detector: RetinaFace, angle: int) -> None:
    for path, _ in PORTRAITS:
        picture = images.read(path)
        rolled = np.asarray(Image.fromarray(picture).rotate(angle, Image.Resampling.BICUBIC))
        straight, turned = (crop_face(p, detector.detect(p)[0]) for p in (picture, rolled))
        for crop in (straight, turned):
            large = Image.fromarray(crop).resize((192, 192)).convert("RGB")
            eyes = detector.detect(np.asarray(large))[0].landmarks[:2]
            across = eyes[1] - eyes[0]
            assert abs(np.degrees(np.arctan2(across[1], across[0]))) < 12
        assert np.corrcoef(straight.ravel(), turned.ravel())[0, 1] > 0.5


def test_falls_back_to_the_box() -> None:
    face = Detection((10, 20, 110, 120), np.zeros((5, 2), np.float32), 0.9)
    matrix = placement(face)
    assert matrix[0, 0] == pytest.approx(100 / 43.1, rel=0.02)
    assert matrix[0, 1] == pytest.approx(0, abs=1e-9)


def test_a_face_at_the_edge_repeats_the_edge() -> None:
    crop = warp(np.full((60, 60), 90, np.uint8), turn(0, 2, -40, 30))
    assert (crop == 90).all()


def test_large_faces_are_averaged_not_sampled() -> None:
    checks = (np.indices((960, 960)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = warp(checks, turn(0, 20, 0, 0))
    assert np.abs(crop.astype(int) - 127).max() <= 2


def test_colour_is_made_grey_once() -> None:
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[..., 1] = 200
    crop = crop_face(picture, framed(turn(0, 2, 0, 0)))
    assert crop.shape == (SIDE, SIDE) and crop.dtype == np.uint8
    assert np.abs(crop.astype(int) - round(0.587 * 200)).max() <= 1


def test_to_crop_passes_48_through() -> None:
    crop = soft(SIDE, SIDE)
    assert to_crop(crop) is crop


def test_to_crop_cuts_the_centre_and_averages() -> None:
    wide = np.zeros((96, 196), np.uint8)
    wide[:, 50:146] = soft(96, 96)
    expected = wide[:, 50:146].reshape(48, 2, 48, 2).mean(axis=(1, 3))
    assert np.abs(to_crop(wide) - expected).max() <= 1
    assert to_crop(np.full((20, 30, 3), 77, np.uint8)).tolist() == [[77] * SIDE] * SIDE
