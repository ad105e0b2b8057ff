"""Makes docs/img/video-frame.webp and docs/img/timeline.webp with the default model.

    python tools/video_pictures.py

Two public-domain portraits (NASA's Eileen Collins from scikit-image, the US Navy's Grace Hopper
from matplotlib) move through a film of 20 seconds. Warping moves Grace Hopper's mouth and brows, so
that there is something to see over time: nobody's real expression is shown changing.
"""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path

import av
import matplotlib.cbook
import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import map_coordinates
from skimage import data
from webp import save_webp

import mien
from mien.infer.overlay import Overlay
from mien.infer.timeline import Timeline
from mien.infer.video import read_video

IMAGES = Path(__file__).parents[1] / "docs" / "img"
SIZE, RATE, SECONDS = (960, 540), 15, 20
SHOWN = 6.6
"""Seconds at which the frame is taken."""

SMILE, FROWN, ANGER = "smile", "frown", "anger"
SCRIPT = ((4.0, None), (5.0, SMILE), (8.0, SMILE), (9.0, None), (13.5, None), (14.2, FROWN),
          (16.5, FROWN), (17.2, ANGER), (20.0, ANGER))  # fmt: skip
"""What Grace Hopper's face does, and when; linear between."""


def main() -> None:
    """Make both."""
    model = mien.load()
    hopper, collins = cut_out(model)
    timeline = Timeline()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "film.mp4"
        film(path, hopper, collins)
        overlay = Overlay(*SIZE)
        shown = Image.new("RGB", SIZE)
        for frame in read_video(path, model):
            timeline.add(frame)
            drawn = overlay.draw(frame)
            if frame.time <= SHOWN:
                shown = drawn
    save_webp(shown, IMAGES / "video-frame")
    save_webp(timeline.draw(), IMAGES / "timeline")
    for person in timeline.shown():
        print(person.number, [(e.value, round(s, 2)) for e, s in person.ranked()[:3]])


def film(path: Path, hopper: Head, collins: Head) -> None:
    """Write the film."""
    ground = Image.fromarray(data.rocket()).resize((SIZE[0], SIZE[0] * 427 // 640))
    ground = ground.crop((0, 60, SIZE[0], 60 + SIZE[1])).filter(ImageFilter.GaussianBlur(9))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for i in range(RATE * SECONDS):
            time = i / RATE
            scene = ground.copy()
            hopper.paste(scene, 480 + 70 * np.sin(time / 3), 250, poses(time))
            collins.paste(scene, -140 + 66 * time, 300 + 8 * np.sin(2 * time), {})
            frame = av.VideoFrame.from_image(scene)
            frame.pts, frame.time_base = i, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def poses(time: float) -> dict[str, float]:
    """How much of each pose there is, 0 to 1."""
    times = [at for at, _ in SCRIPT]
    return {
        pose: float(np.interp(time, times, [float(name == pose) for _, name in SCRIPT]))
        for pose in (SMILE, FROWN, ANGER)
    }


class Head:
    """A head cut out of a portrait, its landmarks, and a soft oval mask."""

    def __init__(self, image: Image.Image, landmarks: np.ndarray) -> None:
        self.pixels = np.asarray(image)
        self.landmarks = landmarks
        mask = Image.new("L", image.size)
        width, height = image.size
        ImageDraw.Draw(mask).ellipse((8, 8, width - 8, height - 8), fill=255)
        self.mask = mask.filter(ImageFilter.GaussianBlur(4))

    def paste(self, scene: Image.Image, x: float, y: float, amounts: dict[str, float]) -> None:
        """Put it into a scene with its middle at (x, y)."""
        image = Image.fromarray(self.posed(amounts))
        scene.paste(image, (round(x - image.width / 2), round(y - image.height / 2)), self.mask)

    def posed(self, amounts: dict[str, float]) -> np.ndarray:
        """Pixels with mouth and brows moved; each move is (x, y, down, radius)."""
        right, left = self.landmarks[:2]
        mouth = self.landmarks[3:].mean(axis=0)
        unit = float(np.linalg.norm(left - right))
        smile, frown, anger = (amounts.get(pose, 0.0) for pose in (SMILE, FROWN, ANGER))
        corner = (-0.27 * smile + 0.28 * frown + 0.05 * anger) * unit
        inner = (-0.17 * frown + 0.3 * anger) * unit
        outer = -0.12 * anger * unit
        moves = [
            *((mouth[0] + s * 0.33 * unit, mouth[1], corner, 0.16 * unit) for s in (-1, 1)),
            (right[0] + 0.22 * unit, right[1] - 0.3 * unit, inner, 0.14 * unit),
            (left[0] - 0.22 * unit, left[1] - 0.3 * unit, inner, 0.14 * unit),
            (right[0] - 0.2 * unit, right[1] - 0.3 * unit, outer, 0.16 * unit),
            (left[0] + 0.2 * unit, left[1] - 0.3 * unit, outer, 0.16 * unit),
        ]
        rows, columns = np.mgrid[: self.pixels.shape[0], : self.pixels.shape[1]].astype(float)
        source = rows.copy()
        for x, y, down, radius in moves:
            source -= down * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2))
        channels = [
            map_coordinates(self.pixels[..., c], [source, columns], order=1, mode="nearest")
            for c in range(3)
        ]
        return np.stack(channels, axis=-1)


def cut_out(model: mien.Model) -> tuple[Head, Head]:
    """Both heads, 260 pixels high."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        hopper = Image.open(file).convert("RGB").crop((100, 20, 425, 420))
    collins = Image.fromarray(data.astronaut()).crop((135, 0, 320, 215))
    heads = []
    for image in (hopper, collins):
        small = image.resize((round(image.width * 260 / image.height), 260), Image.Resampling.BOX)
        found = model.detector.detect(np.asarray(small), min_face=60)[0]
        heads.append(Head(small, found.landmarks))
    return heads[0], heads[1]


if __name__ == "__main__":
    main()
