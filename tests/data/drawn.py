"""Faces drawn by a seed: what tests and pictures for docs/ use instead of anybody's photograph."""

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mien.emotions import BALLOT_INDEX, EMOTIONS, VOTE_COLUMNS

BIG = 192
# Mouth curve (-1 down, 1 up), mouth opening, eye opening, slope of the brows.
LOOKS = {
    "angry": (-0.6, 0.2, 0.7, 0.9), "disgust": (-0.8, 0.1, 0.5, 0.4),
    "fear": (-0.3, 0.6, 1.5, -0.9), "happy": (1.0, 0.5, 0.9, 0.0),
    "neutral": (0.0, 0.0, 1.0, 0.0), "sad": (-0.9, 0.0, 0.7, -0.8),
    "surprise": (0.0, 1.0, 1.6, -0.2),
}  # fmt: skip


def smooth(rng, cells, low, high):
    """A (192, 192) field of soft blotches between two values."""
    field = Image.fromarray(rng.uniform(low, high, (cells, cells)).astype(np.float32))
    return np.asarray(field.resize((BIG, BIG), Image.Resampling.BICUBIC))


def face(rng, emotion):
    """A (48, 48) uint8 face that shows an emotion; no two alike."""
    curve, mouth_open, eye_open, slope = LOOKS[emotion]
    image = Image.fromarray(np.clip(smooth(rng, 9, -60, 320), 0, 255).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    skin, ink = int(rng.integers(110, 235)), int(rng.integers(0, 60))
    x, y = rng.uniform(84, 108, 2)
    w, h = rng.uniform(50, 70), rng.uniform(64, 84)
    hair = int(rng.integers(0, 200))
    pen.ellipse((x - w - 10, y - h - 16, x + w + 10, y + h * rng.uniform(0.2, 1.1)), fill=hair)
    pen.ellipse((x - w, y - h, x + w, y + h), fill=skin)
    eye_y, gap, r = y - h * rng.uniform(0.1, 0.3), w * rng.uniform(0.36, 0.5), w * 0.16
    for side in (-1, 1):
        cx = x + side * gap
        pen.ellipse(
            (cx - r * 1.3, eye_y - r * eye_open, cx + r * 1.3, eye_y + r * eye_open), fill=245
        )
        pen.ellipse((cx - r * 0.6, eye_y - r * 0.6, cx + r * 0.6, eye_y + r * 0.6), fill=ink)
        brow, tilt = eye_y - r * (1.4 + eye_open), slope * r * 0.9
        pen.line(
            (cx - side * r * 1.6, brow + tilt, cx + side * r * 1.6, brow - tilt), fill=ink, width=7
        )
    pen.line(
        (x, eye_y + r, x - 6, y + h * 0.22, x + 5, y + h * 0.24), fill=max(0, skin - 60), width=4
    )
    my, mw = y + h * 0.52, w * rng.uniform(0.35, 0.5)
    if mouth_open > 0.15:
        mh = h * 0.2 * mouth_open
        pen.ellipse((x - mw, my - mh, x + mw, my + mh), fill=ink)
    bend = 22 * curve
    points = [(x + mw * t, my - bend * t * t + bend / 2) for t in np.linspace(-1, 1, 9)]
    pen.line(points, fill=ink, width=8, joint="curve")
    lit = np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)), np.float32) * smooth(
        rng, 4, 0.35, 1.25
    )
    small = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8)).resize(
        (48, 48), Image.Resampling.BOX
    )
    return np.clip(np.asarray(small) + rng.normal(0, 4, (48, 48)), 0, 255).astype(np.uint8)


def placard(rng):
    """A (48, 48) uint8 picture that is no face: a sign with lines of text."""
    image = Image.new("L", (48, 48), 255)
    pen = ImageDraw.Draw(image)
    for y in range(int(rng.integers(2, 6)), 46, int(rng.integers(5, 8))):
        for x in range(int(rng.integers(0, 8)), 40, 3):
            if rng.random() < 0.8:
                pen.line((x, y, x + 1, y + int(rng.integers(0, 3))), fill=0)
    return np.asarray(image)


def write_folder(root: Path, counts: dict[str, int], *, seed: int = 0, part: str = "train") -> None:
    """``ROOT/<part>/<emotion>/face_<n>.png``, drawn."""
    rng = np.random.default_rng(seed)
    for emotion, count in counts.items():
        folder = root / part / emotion
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.fromarray(face(rng, emotion)).save(folder / f"face_{i:04d}.png")


def write_votes(root: Path, votes: dict[str, dict[str, int]]) -> None:
    """``ROOT/votes.csv`` from file to emotion to count."""
    with (root / "votes.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", *VOTE_COLUMNS])
        for name, counts in votes.items():
            row = [0] * len(VOTE_COLUMNS)
            for emotion, count in counts.items():
                row[BALLOT_INDEX[EMOTIONS.index(emotion)]] = count
            table.writerow([name, *row])


def reencoded(image, rng):
    """Once through JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=int(rng.integers(50, 90)))
    return np.asarray(Image.open(buffer))


def brightened(image, rng):
    """Lighter by a tenth to a third; the lightest pixels saturate."""
    gain, lift = rng.uniform(1.05, 1.2), rng.uniform(5, 25)
    return np.clip(image.astype(float) * gain + lift, 0, 255).astype(np.uint8)


def mirrored(image, rng):
    """Left for right."""
    return np.ascontiguousarray(image[:, ::-1])


def shifted(image, rng):
    """Two pixels aside, the edge repeated."""
    dy, dx = [(2, 0), (-2, 0), (0, 2), (0, -2), (2, 2), (-2, 2)][rng.integers(6)]
    padded = np.pad(image, 2, mode="edge")
    return padded[2 + dy : 50 + dy, 2 + dx : 50 + dx]


CHANGES = (reencoded, brightened, mirrored, shifted)
