from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from mien.infer.film import Film


@pytest.fixture
def spoken(tmp_path):
    """A film of 1 s, whose picture begins at 0.5 s, with a tone of 2 s."""
    path = tmp_path / "spoken.mp4"
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        for i in range(10):
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 64), (i * 20, 0, 0)))
            frame.pts, frame.time_base = 5 + i, Fraction(1, 10)
            container.mux(picture.encode(frame))
        tone = (8000 * np.sin(np.arange(32_000) / 6)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        container.mux(sound.encode(frame))
        container.mux(sound.encode())
        container.mux(picture.encode())
    return path


def test_sound_is_copied_and_shifted_with_the_picture(spoken, tmp_path):
    out = tmp_path / "out.mp4"
    film = Film(out, (64, 64), rate=10, sound=spoken)
    film.open()
    for i in range(10):
        film.write(Image.new("RGB", (64, 64), (i * 20, 0, 0)), i / 10)
    film.close()
    with av.open(str(out)) as container:
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / 16_000
        assert 1.3 < seconds < 1.7  # 2 s less the half second before the picture
        container.seek(0)
        assert sum(1 for _ in container.decode(video=0)) == 10


def test_a_film_that_is_stopped_ends_its_sound_too(spoken, tmp_path):
    film = Film(tmp_path / "out.mp4", (64, 64), rate=10, sound=spoken)
    film.open()
    for i in range(3):
        film.write(Image.new("RGB", (64, 64), (i * 20, 0, 0)), i / 10)
    film.stop()
    film.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) / 16_000 < 0.5
        container.seek(0)
        assert sum(1 for _ in container.decode(video=0)) == 3


def test_sound_whose_clock_jumps_back_does_not_end_the_film(spoken, tmp_path):
    joined = tmp_path / "joined.ts"
    with av.open(str(spoken)) as source, av.open(str(tmp_path / "one.ts"), "w") as container:
        streams = {
            stream.index: container.add_stream_from_template(stream) for stream in source.streams
        }
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                container.mux(packet)
    joined.write_bytes(2 * (tmp_path / "one.ts").read_bytes())
    film = Film(tmp_path / "out.mp4", (64, 64), rate=10, sound=joined)
    film.open()
    for i in range(20):
        film.write(Image.new("RGB", (64, 64), (i * 10, 0, 0)), i / 10)
    film.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 20


def test_a_silent_source_gives_a_silent_film(spoken, tmp_path):
    silent = tmp_path / "silent.mp4"
    film = Film(silent, (64, 64))
    film.open()
    film.write(Image.new("RGB", (64, 64)), 0.0)
    film.close()
    again = Film(tmp_path / "again.mp4", (64, 64), sound=silent)
    again.open()
    again.write(Image.new("RGB", (64, 64)), 0.0)
    again.close()
    with av.open(str(tmp_path / "again.mp4")) as container:
        assert not container.streams.audio


@pytest.mark.parametrize("ending", [".mov", ".mpg"])
def test_sound_that_a_container_does_not_take_is_left_out(tmp_path, ending):
    source = tmp_path / "opus.mkv"
    with av.open(str(source), "w") as container:
        picture = container.add_stream("libx264", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.VideoFrame.from_image(Image.new("RGB", (64, 64)))
        container.mux(picture.encode(frame))
        tone = np.zeros((1, 4_800), np.int16)
        audio = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        audio.sample_rate = 48_000
        container.mux(sound.encode(audio))
        container.mux(sound.encode())
        container.mux(picture.encode())
    film = Film(tmp_path / f"out{ending}", (64, 64), rate=10, sound=source)
    film.open()
    for i in range(10):
        film.write(Image.new("RGB", (64, 64), (i * 20, 0, 0)), i / 10)
    film.close()
    with av.open(str(film.path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 10
