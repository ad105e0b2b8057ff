import itertools
import struct

import numpy as np
import pytest
from PIL import Image

import mien
from mien.emotions import EMOTIONS
from mien.infer.footage import Footage
from mien.infer.model import Model
from mien.infer.results import Scores
from mien.infer.smooth import flicker
from mien.infer.video import between, read_video, watch
from tests.infer.footage import crossing, write
from tests.tiny import make_bundle

HAPPY, NEUTRAL = 3, 4


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return mien.load(make_bundle(tmp_path_factory.mktemp("bundles") / "tiny"), threads=1)


class Mouths(Model):
    """Happy where the crop's mouth is dark, neutral elsewhere; noisy, as a network on video is."""

    def classify(self, crops, **_):
        rng = np.random.default_rng(len(crops) + int(np.sum(crops[:1])))
        label = np.full((len(crops), 7), 0.02, np.float32)
        for row, crop in zip(label, crops, strict=True):
            share = 0.85 if crop[32:40, 18:30].mean() < 0.75 * crop.mean() else 0.05
            row[HAPPY] = np.clip(share + rng.normal(0, 0.12), 0.0, 0.9)
            row[NEUTRAL] = 0.9 - row[HAPPY]
        ballot = np.full((len(crops), 10), 0.02, np.float32)
        ballot[:, 1], ballot[:, 0] = label[:, HAPPY], label[:, NEUTRAL]
        return Scores(label, ballot / ballot.sum(axis=1, keepdims=True))


class Remembering:
    """A detector that searches no picture twice."""

    def __init__(self, detector):
        self.detector = detector
        self.known = {}

    def detect(self, image, *, min_face):
        key = hash(image.tobytes())
        if key not in self.known:
            self.known[key] = self.detector.detect(image, min_face=min_face)
        return self.known[key]


@pytest.fixture(scope="module")
def mouths(model):
    return Mouths(model.bundle, Remembering(model.detector), threads=1)


@pytest.fixture(scope="module")
def twenty_seconds(tmp_path_factory):
    """Two people cross once; at 5 s the first one's expression changes."""
    times = np.arange(0, 20, 0.1)
    scenes = [crossing(t / 20, changed=t >= 5) for t in times]
    return write(tmp_path_factory.mktemp("video") / "crossing.mp4", scenes, times)


@pytest.fixture(scope="module")
def followed(twenty_seconds, mouths):
    return {
        smooth: list(read_video(twenty_seconds, mouths, every=3, smooth=smooth, min_face=80))
        for smooth in (0.0, 0.2)
    }


def scores_of(frames, track):
    rows = [
        (frame.time, [face.expression.votes[e] for e in EMOTIONS])
        for frame in frames
        for face in frame.faces
        if face.track == track
    ]
    times, scores = zip(*rows, strict=True)
    return np.array(times), np.array(scores)


def test_every_person_keeps_one_number_through_a_crossing(followed):
    frames = followed[0.2]
    assert len(frames) == 200
    assert {face.track for frame in frames for face in frame.faces} == {1, 2}
    for frame in frames:
        numbers = [face.track for face in frame.faces]
        assert len(set(numbers)) == len(numbers)
    left = {f.track: f.box[0] for f in frames[0].faces}
    right = {f.track: f.box[0] for f in frames[-1].faces}
    assert set(left) == set(right) == {1, 2}
    first = min(left, key=left.get)
    assert right[first] == max(right.values())
    for share, frame in ((0.1, frames[20]), (0.9, frames[180])):
        box = {f.track: f.box for f in frame.faces}
        assert abs((box[first][0] + box[first][2]) / 2 - (30 + 440 * share + 65)) < 30


def test_smoothing_halves_flicker_and_follows_within_half_a_second(followed):
    track = min((face.box[0], face.track) for face in followed[0.2][0].faces)[1]
    (times, raw), (_, smooth) = (scores_of(followed[s], track) for s in (0.0, 0.2))
    steady = (times < 4.9) | (times > 6)
    assert flicker(smooth[steady]) < 0.5 * flicker(raw[steady])
    switched = times[(smooth.argmax(axis=1) == HAPPY)].min()
    assert 4.9 <= switched <= 5.5
    later = (times >= 5.5) & (times < 9)
    assert (smooth[later].argmax(axis=1) == HAPPY).all()


def test_smoothed_scores_are_distributions(followed):
    for frame in followed[0.2][::20]:
        for face in frame.faces:
            assert sum(face.expression.label.values()) == pytest.approx(1, abs=1e-4)
            assert sum(face.expression.ballot.values()) == pytest.approx(1, abs=1e-4)


def test_frames_between_searches_lie_on_the_way(mouths):
    stills = [
        type("Still", (), {"index": i, "time": i / 10, "image": np.asarray(crossing(i / 100))})()
        for i in range(7)
    ]
    every, third = (
        [
            sorted(f.box[0] for f in frame.faces)
            for frame in watch(stills, mouths, every=n, min_face=80)
        ]
        for n in (1, 3)
    )
    # the faces are 160 pixels high, and the detector draws their boxes a few pixels apart
    assert np.abs(np.array(every) - np.array(third)).max() < 5


def test_between_knows_only_those_seen_twice():
    from mien.infer.detect import Detection

    points = np.zeros((6, 2), np.float32)
    a, b = Detection((0, 0, 10, 10), points, 0.5), Detection((10, 0, 20, 10), points, 0.9)
    moment = between((0.0, {1: a, 2: a}), (1.0, {1: b, 3: b}), 0.25)
    assert set(moment) == {1}
    assert moment[1].box == pytest.approx((2.5, 0, 12.5, 10))
    assert moment[1].score == pytest.approx(0.6)


def test_times_are_the_files_own(tmp_path):
    times = [0.0, 0.04, 0.5, 0.52, 2.0, 2.9]
    path = write(tmp_path / "vfr.mkv", [crossing(0.1)] * 6, times)
    assert [still.time for still in Footage(path)] == pytest.approx(times, abs=2e-3)


def test_a_phone_video_is_turned_upright(tmp_path):
    scene = Image.new("RGB", (64, 32), "black")
    scene.paste((255, 255, 255), (0, 0, 64, 16))  # white above black
    path = write(tmp_path / "flat.mp4", [scene] * 3, [0, 0.1, 0.2])
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    quarter = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # 90 degrees clockwise
    content[matrix : matrix + 36] = struct.pack(">9i", *quarter)
    path.write_bytes(content)
    image = next(iter(Footage(path))).image
    assert image.shape == (64, 32, 3)
    assert image[:, 20:].mean() > 200  # what was above is now at the right
    assert image[:, :12].mean() < 50


def test_broken_frames_are_left_out(tmp_path):
    times = np.arange(30) / 30
    path = write(
        tmp_path / "broken.avi", [crossing(t) for t in times], times,
        codec="mpeg4", options={"g": "1"},
    )  # fmt: skip
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    middle = len(content) // 2
    content[middle : middle + 6000] = rng.integers(0, 256, 6000, dtype=np.uint8).tobytes()
    path.write_bytes(content)
    footage = Footage(path)
    stills = list(footage)
    assert 20 <= len(stills) <= 30
    assert all(a.time < b.time for a, b in itertools.pairwise(stills))


def test_a_truncated_file_gives_what_it_has(tmp_path, model):
    times = np.arange(30) / 30
    whole = write(
        tmp_path / "whole.mp4", [crossing(t) for t in times], times,
        options={"g": "5"}, container_options={"movflags": "faststart"},
    )  # fmt: skip
    content = whole.read_bytes()
    short = tmp_path / "short.mp4"
    short.write_bytes(content[: len(content) * 6 // 10])
    frames = list(read_video(short, model, min_face=80))
    assert 5 <= len(frames) < 30
    headless = tmp_path / "headless.mp4"
    headless.write_bytes(content[:200])
    with pytest.raises(ValueError, match="cut short"):
        list(read_video(headless, model))


def test_what_is_no_video_is_named(tmp_path, model):
    text = tmp_path / "notes.txt"
    text.write_text("dear diary")
    with pytest.raises(ValueError, match=r"notes\.txt: cannot be read as a video"):
        list(read_video(text, model))
    with pytest.raises(FileNotFoundError, match="no such file"):
        list(read_video(tmp_path / "none.mp4", model))
    with pytest.raises(ValueError, match="every"):
        next(read_video(text, model, every=0))


def test_stopping_early_leaves_no_thread(twenty_seconds, mouths):
    import threading

    frames = read_video(twenty_seconds, mouths)
    assert next(frames).index == 0
    frames.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("mien")]
