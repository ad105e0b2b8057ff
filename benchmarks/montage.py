"""Made group pictures with known faces: public-domain portraits pasted at many sizes."""

from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import skimage
from PIL import Image, ImageEnhance

from mien import images

# portrait, and the square box of its face as BlazeFace drew it
PORTRAITS = (
    (Path(skimage.__file__).parent / "data" / "astronaut.png", (172, 68, 278, 174)),
    (Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg", (160, 122, 369, 331)),
)
GROUNDS = ("brick", "gravel", "grass", "coffee")


@dataclass
class Montage:
    """A picture (H, W, 3) and the boxes of its faces (N, 4), pixels."""

    picture: np.ndarray
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)


def sample(name: str) -> np.ndarray:
    """One of scikit-image's pictures as RGB."""
    folder = Path(skimage.__file__).parent / "data"
    return images.read(next(folder.glob(f"{name}.*")))


def portrait(which: int, face: int, rng: np.random.Generator) -> tuple[Image.Image, tuple]:
    """A head cut from a portrait so that its face is ``face`` pixels wide, flipped and relit."""
    path, box = PORTRAITS[which]
    image, side = Image.fromarray(images.read(path)), box[2] - box[0]
    left, top = max(0, box[0] - side // 2), max(0, box[1] - side // 2)
    head = image.crop((left, top, box[2] + side // 2, box[3] + side // 2))
    scale = face / side
    head = head.resize((round(head.width * scale), round(head.height * scale)), Image.Resampling.BOX
                       if scale < 1 else Image.Resampling.BICUBIC)  # fmt: skip
    head = ImageEnhance.Brightness(head).enhance(rng.uniform(0.6, 1.3))
    x, y = (box[0] - left) * scale, (box[1] - top) * scale
    if rng.random() < 0.5:
        head, x = head.transpose(Image.Transpose.FLIP_LEFT_RIGHT), head.width - x - face
    return head, (x, y, x + face, y + face)


def montage(
    sizes: list[int], seed: int, size: tuple[int, int] = (1280, 960), *, textured: bool = True
) -> Montage:
    """Heads with faces of ``sizes`` pixels, placed at random without overlap, largest first.

    A head that finds no room is left out. The ground is plain or one of ``GROUNDS``.
    """
    rng = np.random.default_rng(seed)
    ground = Image.new("RGB", size, tuple(int(c) for c in rng.integers(0, 256, 3)))
    if textured:
        ground = Image.fromarray(sample(GROUNDS[seed % len(GROUNDS)])).resize(size)
    made, taken = Montage(np.empty(0)), []
    for face in sorted(sizes, reverse=True):
        head, box = portrait(int(rng.integers(len(PORTRAITS))), face, rng)
        for _ in range(200):
            x = int(rng.integers(0, size[0] - head.width + 1))
            y = int(rng.integers(0, size[1] - head.height + 1))
            spot = (x, y, x + head.width, y + head.height)
            if not any(spot[0] < t[2] and t[0] < spot[2] and spot[1] < t[3] and t[1] < spot[3]
                       for t in taken):  # fmt: skip
                ground.paste(head, (x, y))
                taken.append(spot)
                made.boxes.append((box[0] + x, box[1] + y, box[2] + x, box[3] + y))
                break
    made.picture = np.asarray(ground)
    return made


def match(truth: list[tuple], found: list[tuple], least: float = 0.4) -> tuple[int, int]:
    """Faces found (by intersection over union, each box used once) and boxes left over."""
    left = [np.array(box) for box in found]
    hits = 0
    for box in map(np.array, truth):
        for i, other in enumerate(left):
            low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
            shared = np.prod(np.clip(high - low, 0, None))
            both = np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - shared
            if shared / both >= least:
                del left[i]
                hits += 1
                break
    return hits, len(left)
