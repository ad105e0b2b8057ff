"""Films as people have them: cut short, damaged, turned, slow, of several sizes, or none."""

import itertools
import os
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from mien.infer.footage import Footage
from mien.infer.model import load
from mien.infer.overlay import Overlay
from mien.infer.video import Frame, read_video, watch
from tests.infer.footage import portrait, write
from tests.tiny import make_bundle

ALL = (0, 1)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def model(bundle):
    return load(bundle, threads=1)


def small(path, count=100, **options):
    """Ten frames a second of noise, which codecs cannot shrink to nothing."""
    options.setdefault("clock", 10 if path.suffix == ".avi" else 1000)
    rng = np.random.default_rng(0)
    scenes = [Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)) for _ in range(count)]
    return write(path, scenes, np.arange(count) / 10, **options)


FASTSTART = {"container_options": {"movflags": "faststart"}}
FRAGMENTS = {"container_options": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "10"}}
KINDS = {
    "film.mp4": FASTSTART, "film.mov": FASTSTART, "film.mkv": {}, "film.webm": {"codec": "libvpx"},
    "film.avi": {"codec": "mpeg4"}, "pieces.mp4": FRAGMENTS,
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_film_that_ends_too_early_is_told_from_a_whole_one(tmp_path, name):
    whole = small(tmp_path / name, **KINDS[name])
    footage = Footage(whole)
    assert len(list(footage)) == 100
    assert not footage.cut_short
    content = whole.read_bytes()
    for share in (0.6, 0.97):
        whole.write_bytes(content[: int(len(content) * share)])
        frames = len(list(footage))
        assert 100 * share - 25 < frames < 100
        assert footage.cut_short


def test_a_film_without_its_index_is_called_cut_short(tmp_path):
    path = small(tmp_path / "film.mp4")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ValueError, match="may be cut short"):
        Footage(path).info()


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi", "film.ts"])
def test_behind_an_unreadable_middle_reading_goes_on(tmp_path, name):
    path = small(tmp_path / name, **(KINDS.get(name) or {"options": {"g": "5"}}))
    content = bytearray(path.read_bytes())
    begin, end = len(content) * 45 // 100, len(content) * 55 // 100
    content[begin:end] = bytes(end - begin)
    path.write_bytes(content)
    stills = list(Footage(path))
    times = [still.time for still in stills]
    assert 60 < len(stills) <= 100
    assert times[-1] > (8 if path.suffix == ".avi" else 9)  # AVI has no clock: it counts frames
    assert all(a < b for a, b in itertools.pairwise(times))


def matrix(swap, mirror, flip):
    """The display matrix of a swap of rows and columns, then flips."""
    x, y = (-1) ** mirror << 16, (-1) ** flip << 16
    return (0, y, 0, x, 0, 0, 0, 0, 1 << 30) if swap else (x, 0, 0, 0, y, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(("swap", "mirror", "flip"), itertools.product(ALL, ALL, ALL))
def test_all_eight_display_matrices(tmp_path, swap, mirror, flip):
    scene = Image.new("RGB", (64, 32))
    scene.paste((255, 0, 0), (0, 0, 32, 16))
    scene.paste((0, 255, 0), (32, 0, 64, 16))  # red and green above black and white
    scene.paste((255, 255, 255), (32, 16, 64, 32))
    path = write(tmp_path / "flat.mp4", [scene] * 2, [0, 0.1])
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    content[at : at + 36] = struct.pack(">9i", *matrix(swap, mirror, flip))
    path.write_bytes(content)
    expected = np.asarray(scene)
    expected = expected.swapaxes(0, 1) if swap else expected
    expected = expected[:, ::-1] if mirror else expected
    expected = expected[::-1] if flip else expected
    image = next(iter(Footage(path))).image
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 25


@pytest.fixture
def growing(tmp_path):
    """Eight frames of 320x240, then eight of 480x360, in one stream."""
    for name, size in (("1", (320, 240)), ("2", (480, 360))):
        scenes = [portrait(2 * i, size) for i in range(8)]
        write(tmp_path / f"{name}.ts", scenes, np.arange(8) / 10)
    path = tmp_path / "grow.ts"
    path.write_bytes((tmp_path / "1.ts").read_bytes() + (tmp_path / "2.ts").read_bytes())
    return path


def test_a_face_stays_in_its_box_where_the_size_changes(growing, model):
    frames = list(read_video(growing, model, every=3))
    sizes = [frame.image.shape[1] for frame in frames]
    assert sizes == [320] * 8 + [480] * 8
    faces = [frame.faces[0] for frame in frames]
    assert {face.track for face in faces} == {1}
    widths = np.array([face.box[2] - face.box[0] for face in faces]) / sizes
    assert np.ptp(widths) < 0.05
    assert all(a < b for a, b in itertools.pairwise(f.time for f in frames))


def test_a_frame_of_another_size_is_scaled_into_the_film(growing, model):
    frames = list(read_video(growing, model))
    overlay = Overlay(320, 240)
    first, last = (np.asarray(overlay.draw(replace(frames[i], faces=[]))) for i in (0, 8))
    assert np.abs(first.astype(int) - last).mean() < 6  # the same scene, once of each size
    box = overlay.fitted(frames[8]).faces[0].box
    assert box == pytest.approx(frames[0].faces[0].box, abs=5)
    wide = Frame(9, 1.0, np.full((100, 400, 3), 255, np.uint8), [])
    drawn = np.asarray(overlay.draw(wide))[:240, :320]
    assert drawn[120].min() == 255
    assert drawn[:70].max() == drawn[-70:].max() == 0  # bars, and nothing stretched


@pytest.mark.parametrize("apart", [0.4, 2, 10, 60])
def test_one_person_in_a_slow_film_has_one_number(model, apart):
    stills = [
        type("Still", (), {"index": i, "time": i * apart, "image": np.asarray(portrait(i % 7))})()
        for i in range(10)
    ]
    frames = list(watch(stills, model, every=3))
    assert [[face.track for face in frame.faces] for frame in frames] == [[1]] * 10


def tone(path, codec):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), "s16", "mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def flac(path, picture):
    """A tone with a cover picture (PNG), as players show it."""
    tone(path, "flac")
    content = path.read_bytes()
    kind = b"image/png"
    block = struct.pack(">II", 3, len(kind)) + kind + struct.pack(">IIIII", 0, 64, 64, 24, 0)
    block += struct.pack(">I", len(picture)) + picture
    head = bytes([6]) + len(block).to_bytes(3, "big")
    path.write_bytes(content[:42].replace(b"fLaC\x80", b"fLaC\x00") + head + block + content[42:])
    return path


def nothing(tmp_path):
    """Sources that are no films, by what is said of them."""
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.jpg")
    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "notes.txt").write_text("dear diary")
    os.mkfifo(tmp_path / "pipe")
    flac(tmp_path / "song.flac", (tmp_path / "photo.png").read_bytes())
    tone(tmp_path / "song.wav", "pcm_s16le")
    return {
        tmp_path: "a folder; name one film", tmp_path / "pipe": "save the film to a file",
        tmp_path / "photo.jpg": "a picture, not a film; use mien predict",
        tmp_path / "photo.png": "a picture, not a film; use mien predict",
        tmp_path / "empty.mp4": "the file is empty", tmp_path / "notes.txt": "cannot be read as",
        tmp_path / "song.flac": "only sound with a cover", tmp_path / "song.wav": "only sound",
        tmp_path / "none.mp4": "no such file", tmp_path / "notes.txt" / "x": "no such file",
        Path("/dev/null"): "a pipe or a device", 99: "there is no such camera",
        "http://127.0.0.1:1/film.mp4": "check the address", "bad\0name": "no file has such a name",
    }  # fmt: skip


def test_what_is_no_film_is_said_in_one_sentence(tmp_path):
    for source, words in nothing(tmp_path).items():
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            Footage(source).info()
        message = str(caught.value)
        name = f"camera {source}" if isinstance(source, int) else str(source)
        assert words in message, message
        assert message.strip("'").startswith(name.replace("\0", "\\x00"))
        assert "\n" not in message


NAMES = ("12:30 talk.mp4", "file:a.mp4", "-x.mp4", "50%03d.mp4", "[a] ü.mp4", "concat:a|b.mp4",
         os.fsdecode(b"caf\xe9.mp4"))  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_file_s_name(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(tmp_path / "plain.mp4", 3).rename(tmp_path / name)
    assert len(list(Footage(name))) == 3
    assert len(list(Footage(tmp_path / name))) == 3


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return write(path, [portrait()] * 1000, np.arange(1000) / 30, options={"preset": "ultrafast"})


def mien(*arguments, bundle):
    return subprocess.Popen(
        [sys.executable, "-m", "mien", "video", *map(str, arguments), "--model", str(bundle)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_stopped_run_keeps_what_was_read_and_a_killed_one_claims_nothing(
    tmp_path, bundle, long, number, code
):
    out = {end: tmp_path / f"out.{end}" for end in ("csv", "jsonl", "mp4")}
    run = mien(long, "--csv", out["csv"], "--json", out["jsonl"], "--out", out["mp4"],
               bundle=bundle)  # fmt: skip
    part = tmp_path / ".out.csv.part"
    limit = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 10_000) and time.monotonic() < limit:
        assert run.poll() is None, run.communicate()
        time.sleep(0.02)
    assert not any(path.exists() for path in out.values())
    run.send_signal(number)
    _, said = run.communicate(timeout=30)
    assert run.returncode == code
    if number == signal.SIGKILL:
        assert not any(path.exists() for path in out.values())
        return
    rows = len(out["csv"].read_text().splitlines()) - 1
    assert 0 < rows < 1000
    assert f"stopped after {rows:,} frames" in said
    assert len(out["jsonl"].read_text().splitlines()) == rows
    with av.open(str(out["mp4"])) as container:
        assert sum(1 for _ in container.decode(video=0)) == rows
    assert not list(tmp_path.glob(".*.part"))
