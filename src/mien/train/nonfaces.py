"""Made pictures that are not faces, which teach the ballot to say NF.

Textures, flat placeholders with text or icons, shuffled faces and faces that are covered: what
image searches and detectors hand over by mistake. No real non-face of any data set is used.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

SIZE = 48
_WORDS = ("no image photo not found 404 error loading sample test logo face text news page").split()  # noqa: SIM905


@lru_cache(maxsize=2)
def made_bank(count: int, *, seed: int) -> Tensor:
    """(count, 48, 48) uint8 textures, text and icons; the same for the same seed.

    Kept between calls: fold after fold and trial after trial ask for it. Do not write into it.
    """
    rng = np.random.default_rng(seed)
    makers = (_texture, _stripes, _text, _icon, _strokes)
    bank = [makers[i % len(makers)](rng) for i in range(count)]
    return torch.from_numpy(np.stack(bank))


def spoil(faces: Tensor, *, generator: torch.Generator) -> Tensor:
    """Turn faces into non-faces: half are shuffled in 12- or 8-pixel tiles, half are covered.

    Args:
        faces: (N, 48, 48) uint8.
        generator: source of all draws.

    Returns:
        (N, 48, 48) uint8.
    """
    out = faces.clone()
    for row in range(len(faces)):
        if torch.rand(1, generator=generator).item() < 0.5:
            side = 12 if torch.rand(1, generator=generator).item() < 0.5 else 8
            n = SIZE // side
            tiles = faces[row].view(n, side, n, side).permute(0, 2, 1, 3).reshape(n * n, side, side)
            tiles = tiles[torch.randperm(n * n, generator=generator)]
            out[row] = tiles.view(n, n, side, side).permute(0, 2, 1, 3).reshape(SIZE, SIZE)
        else:
            top, left = torch.randint(0, 8, (2,), generator=generator).tolist()
            grey = torch.randint(0, 256, (1,), generator=generator).to(torch.uint8)
            out[row, top : top + 42, left : left + 42] = grey
    return out


def _as_crop(field: NDArray[np.float64]) -> NDArray[np.uint8]:
    low, high = field.min(), field.max()
    return np.asarray((field - low) / max(high - low, 1e-9) * 255, np.uint8)


def _texture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Noise with a power-law spectrum: from static to clouds."""
    freq = np.hypot(np.fft.fftfreq(SIZE)[:, None], np.fft.fftfreq(SIZE)[None, :])
    freq[0, 0] = 1 / SIZE
    spectrum = np.fft.fft2(rng.normal(size=(SIZE, SIZE))) / freq ** rng.uniform(0, 2.2)
    return _as_crop(np.real(np.fft.ifft2(spectrum)))


def _stripes(rng: np.random.Generator) -> NDArray[np.uint8]:
    y, x = np.mgrid[:SIZE, :SIZE]
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 40)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    if rng.random() < 0.5:
        wave = wave * np.sin((y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period)
    return _as_crop(np.sign(wave) if rng.random() < 0.5 else wave)


def _canvas(rng: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    paper = int(rng.integers(0, 256))
    image = Image.new("L", (SIZE, SIZE), paper)
    ink = (paper + int(rng.integers(70, 186))) % 256
    return image, ImageDraw.Draw(image), ink


def _text(rng: np.random.Generator) -> NDArray[np.uint8]:
    image, pen, ink = _canvas(rng)
    for line in range(int(rng.integers(1, 5))):
        word = " ".join(rng.choice(_WORDS, 2))
        pen.text((int(rng.integers(-4, 12)), 4 + 11 * line), word, fill=ink)
    return np.asarray(image)


def _icon(rng: np.random.Generator) -> NDArray[np.uint8]:
    image, pen, ink = _canvas(rng)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.integers(0, 32, 2).tolist()
        w, h = rng.integers(8, 40, 2).tolist()
        draw = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        fill = ink if rng.random() < 0.5 else None
        draw((x, y, x + w, y + h), fill=fill, outline=ink, width=int(rng.integers(1, 5)))
    return np.asarray(image)


def _strokes(rng: np.random.Generator) -> NDArray[np.uint8]:
    image, pen, ink = _canvas(rng)
    for _ in range(int(rng.integers(2, 12))):
        points = [tuple(p) for p in rng.integers(0, SIZE, (int(rng.integers(2, 5)), 2)).tolist()]
        pen.line(points, fill=ink, width=int(rng.integers(1, 4)))
    return np.asarray(image)
