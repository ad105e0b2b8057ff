"""Measure how FER-2013 frames a face, for ``LANDMARKS`` and ``BOX`` in ``mien.infer.detect``.

    python tools/measure_frame.py DATA/train

DATA/train holds one folder an emotion with 48x48 pictures. Each picture of a seeded sample is
enlarged, and its edge repeated so that the detector has room around the face; landmarks and boxes
are reported in pixels of the 48x48 crop, over the pictures and their mirror images. (A black
margin cuts faces short: landmarks then come out 6 % too close together, and crops of photos 6 %
too large.) Then other
pictures are pasted into a larger canvas, found and cropped again, and compared with themselves:
once as FER-2013 framed them, and once as ``crop_face`` had framed them before.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from mien.infer.crop import SIDE, crop_face, placement
from mien.infer.detect import LANDMARKS, Detection, Detector, default_detector

ENLARGE, MARGIN = 3, 56  # margin in pixels of the crop
MIRRORED = [1, 0, 2, 4, 3]  # landmarks of a mirrored face


def framed(crop: np.ndarray, enlarge: int = ENLARGE) -> np.ndarray:
    """A (48, 48) crop enlarged and with a margin that repeats its edge, as RGB."""
    grey = Image.fromarray(np.pad(crop, MARGIN, mode="edge"))
    side = grey.width * enlarge
    return np.asarray(grey.resize((side, side), Image.Resampling.BICUBIC).convert("RGB"))


def find(detector: Detector, crop: np.ndarray) -> Detection | None:
    """The best face of a framed crop, in pixels of the framed picture."""
    faces = detector.detect(framed(crop))
    return faces[0] if faces else None


def measure(detector: Detector, crops: list[np.ndarray]) -> None:
    """Print landmarks and box: median, and half of the range that holds the middle 68 %."""
    found = [face for face in (find(detector, crop) for crop in crops) if face]
    print(f"found {len(found)} of {len(crops)} ({len(found) / len(crops):.1%})")
    points = np.array([face.landmarks for face in found]) / ENLARGE - MARGIN
    flipped = points[:, MIRRORED] * (-1, 1) + (SIDE, 0)
    both = np.concatenate([points, flipped])
    spread = np.diff(np.quantile(both, [0.16, 0.84], axis=0), axis=0)[0] / 2
    for name, (x, y), (dx, dy) in zip(LANDMARKS, np.median(both, axis=0), spread, strict=True):
        print(f"{name:>10}  x {x:5.1f} ±{dx:4.1f}   y {y:5.1f} ±{dy:4.1f}")
    box = np.array([face.box for face in found]) / ENLARGE - MARGIN
    mirror = box[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) + (SIDE, 0, SIDE, 0)
    left, top, right, bottom = np.median(np.concatenate([box, mirror]), axis=0)
    print(f"       box  {left:.1f} {top:.1f} {right:.1f} {bottom:.1f}")
    roll = np.degrees(np.arctan2(*(points[:, 1] - points[:, 0]).T[::-1]))
    print(f"      roll  middle {np.median(np.abs(roll)):.0f}, 9 in 10 below "
          f"{np.quantile(np.abs(roll), 0.9):.0f} degrees")  # fmt: skip


def paste_back(detector: Detector, crops: list[np.ndarray]) -> None:
    """Print how close crops come back to themselves from a larger canvas."""
    corners = np.array([[0, 0, 1], [SIDE, 0, 1], [0, SIDE, 1], [SIDE, SIDE, 1]])
    own = np.pad(np.full((SIDE, SIDE), 255, np.uint8), MARGIN).repeat(ENLARGE, 0).repeat(ENLARGE, 1)
    for title, again in (("framed by FER-2013", False), ("framed by crop_face", True)):
        moved, correlation, difference = [], [], []
        for crop in crops:
            face = find(detector, crop)
            if face and again:
                crop = crop_face(framed(crop), face)
                face = find(detector, crop)
            if not face:
                continue
            there = corners @ placement(face).T / ENLARGE - MARGIN
            moved.append(np.linalg.norm(there - corners[:, :2], axis=1).mean())
            inside = crop_face(own, face) > 250  # not the canvas
            before, after = crop[inside] / 1.0, crop_face(framed(crop), face)[inside] / 1.0
            if np.ptp(before) and np.ptp(after):
                correlation.append(np.corrcoef(before, after)[0, 1])
                difference.append(np.abs(before - after).mean())
        print(
            f"{title}: {len(moved)} crops back, corners moved by {np.median(moved):.1f} px, "
            f"correlation {np.median(correlation):.2f}, "
            f"mean |difference| {np.median(difference):.1f} of 255 (medians)"
        )


def main() -> None:
    """Sample, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("--sample", type=int, default=3000)
    parser.add_argument("--paste", type=int, default=500)
    args = parser.parse_args()
    paths = sorted(args.train.glob("*/*.png"))
    chosen = np.random.default_rng(0).permutation(len(paths))[: args.sample + args.paste]
    crops = [np.asarray(Image.open(paths[i]).convert("L")) for i in chosen]
    detector = default_detector(threshold=0.3)  # heads cut short are found with less certainty
    measure(detector, crops[: args.sample])
    paste_back(detector, crops[args.sample :])


if __name__ == "__main__":
    main()
