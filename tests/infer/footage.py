"""Videos made for tests: two public-domain portraits that cross over a background."""

from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import matplotlib.cbook as cbook
import numpy as np
from PIL import Image, ImageDraw
from skimage import data

SIZE = (640, 480)


@cache
def portraits():
    """Two heads, 150 pixels high, with an oval mask."""
    first = Image.fromarray(data.astronaut()).crop((150, 0, 300, 190))
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        second = Image.open(file).convert("RGB").crop((130, 70, 400, 400))
    heads = [head.resize((130, 160), Image.Resampling.LANCZOS) for head in (first, second)]
    mask = Image.new("L", heads[0].size)
    ImageDraw.Draw(mask).ellipse((2, 2, 127, 157), fill=255)
    return heads, mask


def portrait(shift=0, size=(320, 240)):
    """One person in the middle, ``shift`` pixels to the right."""
    scene = Image.new("RGB", (320, 240), (40, 60, 80))
    scene.paste(Image.fromarray(data.astronaut()).crop((96, 0, 416, 240)), (shift, 0))
    return scene.resize(size)


@cache
def background():
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(90, 150, (6, 8, 3), dtype=np.uint8))
    return coarse.resize(SIZE, Image.Resampling.BICUBIC)


def crossing(share, *, changed=False):
    """The scene at ``share`` of its way; ``changed`` opens the first person's mouth."""
    (first, second), mask = portraits()
    if changed:
        first = first.copy()
        ImageDraw.Draw(first).ellipse((40, 112, 76, 132), fill=(70, 25, 25))
    scene = background().copy()
    scene.paste(second, (round(470 - 430 * share), 190), mask)
    scene.paste(first, (round(30 + 440 * share), 140), mask)
    return scene


def write(
    path: Path, scenes, times, *, codec="libx264", options=None, container_options=None, clock=1000
):
    """Encode pictures at the given times, seconds, in ticks of ``clock`` a second."""
    first = scenes[0]
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=30, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *first.size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, clock)
        for scene, time in zip(scenes, times, strict=True):
            frame = av.VideoFrame.from_image(scene)
            frame.pts, frame.time_base = round(time * clock), Fraction(1, clock)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
