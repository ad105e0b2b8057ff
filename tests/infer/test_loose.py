"""A sample of pictures tells whether they are loose, and no more than a sample is looked at."""

import numpy as np

from mien.infer.detect import LANDMARKS, Detection
from mien.infer.loose import SAMPLE, SEEN, Sampled, sampled

FRAME = np.array(list(LANDMARKS.values()), np.float32)


class Stub:
    """Finds one face, whose crop covers a share of the shorter side; counts its searches."""

    def __init__(self, share: float | None) -> None:
        self.share = share
        self.shapes: list[tuple[int, ...]] = []

    def detect(self, image: np.ndarray, *, min_face: int = 40) -> list[Detection]:
        self.shapes.append(image.shape)
        if self.share is None:
            return []
        points = FRAME * (self.share * min(image.shape[:2]) / 48)
        return [Detection((0.0, 0.0, 9.0, 9.0), points, 0.9)]


def blank(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_a_sample_is_searched_at_a_small_size() -> None:
    detector = Stub(0.5)
    assert sampled([blank(900, 600)] * 100, detector) == Sampled(SAMPLE, SAMPLE)
    assert all(max(shape) == SEEN for shape in detector.shapes)
    assert len(detector.shapes) == SAMPLE


def test_tight_pictures_and_those_without_a_face_are_not_loose() -> None:
    for share in (0.75, 1.2, None):
        found = sampled([blank(200, 200)], Stub(share))
        assert found == Sampled(1, 0) and not found.mostly
    assert sampled([blank(200, 200)], Stub(0.65)).mostly


def test_small_and_unreadable_pictures_are_passed_over() -> None:
    detector = Stub(0.5)
    assert sampled([blank(112, 112), b"not a picture", "missing.png"], detector) == Sampled()
    assert not detector.shapes and not sampled([], detector).mostly
