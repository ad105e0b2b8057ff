"""Augmentation of a whole batch at once, and generated non-faces.

Drawing is apart from applying. The affine grid samples straight from 48x48 to the network's size:
with the identity it equals the bilinear half-pixel upsampling of ``network.upsample``, so
augmentation costs no second blur.

Non-faces teach the ballot to say NF: textures, flat placeholders with text or icons, shuffled faces
and faces that are covered, as image searches and detectors hand over by mistake. No real non-face
of any data set is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from mien.emotions import UNKNOWN
from mien.measure.detail import CLEAR

SIDE = 48
SIDES = (10, 12, 14, 16, 20, 24, 32)
"""Pixels that a picture is shrunk to."""
_WORDS = ("no image photo not found 404 error loading sample test logo face text news page").split()  # noqa: SIM905


@dataclass(frozen=True)
class Draws:
    """What was drawn for N pictures, so that a process can apply its slice of a global batch.

    ``theta`` (N, 2, 3) for ``affine_grid``; ``gain`` and ``bias`` (N,) with values in 0..255;
    ``box`` (N, 4) erased rectangle (left, top, right, bottom) as shares of the side, empty where
    nothing is erased; ``fill`` (N,) its grey value; ``gamma`` (N,) exponents of values in 0..1;
    ``side`` (N,) pixels that a picture is shrunk to and enlarged from, ``SIDE`` where it is not.
    """

    theta: Tensor
    gain: Tensor
    bias: Tensor
    box: Tensor
    fill: Tensor
    gamma: Tensor
    side: Tensor

    def take(self, rows: Tensor) -> Draws:
        """The draws of some of the pictures, by their numbers."""
        return Draws(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def to(self, device: torch.device) -> Draws:
        """The same on another device."""
        return Draws(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def draw(
    count: int,
    *,
    generator: torch.Generator,
    flip: float,
    rotate: float,
    scale: float,
    shift: float,
    brightness: float,
    contrast: float,
    erase: float,
    gamma: float = 0.0,
    shrink: float = 0.0,
    strength: Tensor | None = None,
) -> Draws:
    """Draw changes for ``count`` pictures; the meanings are those of ``sections.Augment``.

    ``strength`` (count,) widens each picture's ranges, all but the flip's.
    """
    wider = torch.ones(count) if strength is None else strength

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def either(width: float) -> Tensor:
        return (uniform(count) * 2 - 1) * width * wider

    angle = torch.deg2rad(either(rotate))
    zoom = (1 + either(scale)).clamp(min=0.5)
    mirror = 1 - 2 * (uniform(count) < flip).float()
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    # affine_grid's side is 2 long, so a shift of a share s moves it by 2 s.
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin * mirror, either(2 * shift)], dim=1),
            torch.stack([sin, cos, either(2 * shift)], dim=1),
        ],
        dim=1,
    )
    area, ratio = 0.02 + 0.23 * uniform(count), torch.exp(uniform(count) * 2 - 1)
    side = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], dim=1).clamp(max=0.9)
    corner = uniform(count, 2) * (1 - side)
    hit = (uniform(count) < erase * wider).float()[:, None]
    gain, bias = (1 + either(contrast)).clamp(min=0.1), either(brightness) * 128
    fill = uniform(count) * 255
    shrunk = torch.full((count,), SIDE)
    if shrink:
        to = torch.tensor(SIDES)[torch.randint(0, len(SIDES), (count,), generator=generator)]
        shrunk = torch.where(uniform(count) < shrink * wider, to, shrunk)
    return Draws(
        theta=theta, gain=gain, bias=bias, box=torch.cat([corner, corner + side * hit], dim=1),
        fill=fill, gamma=torch.exp2(either(gamma)) if gamma else torch.ones(count), side=shrunk,
    )  # fmt: skip


def apply(images: Tensor, draws: Draws, *, size: int, crop: int = 48) -> Tensor:
    """Change and upsample a batch.

    Args:
        images: (N, 48, 48) uint8.
        draws: for the same N.
        size: pixels a side to sample to.
        crop: pixels of the centre that the network sees; the rest comes in only by shifts.

    Returns:
        (N, 1, size, size) float, 0..255.
    """
    count = len(images)
    grey = degrade(images[:, None].float(), draws)
    theta = draws.theta.clone()
    theta[:, :, :2] *= crop / images.shape[-1]
    grid = F.affine_grid(theta, [count, 1, size, size], align_corners=False)
    out = F.grid_sample(grey, grid, padding_mode="border", align_corners=False)
    mean = out.mean(dim=(2, 3), keepdim=True)
    column = (-1, 1, 1, 1)
    out = (out - mean) * draws.gain.view(column) + mean + draws.bias.view(column)
    centre = (torch.arange(size, device=out.device) + 0.5) / size
    left, top, right, bottom = (draws.box[:, i, None] for i in range(4))
    inside_x = (centre >= left) & (centre < right)
    inside_y = (centre >= top) & (centre < bottom)
    erased = inside_y[:, None, :, None] & inside_x[:, None, None, :]
    return torch.where(erased, draws.fill.view(column), out).clamp(0, 255)


def degrade(grey: Tensor, draws: Draws) -> Tensor:
    """(N, 1, 48, 48) pictures with another gamma, and some as if a small face had been enlarged."""
    if bool((draws.gamma != 1).any()):
        grey = 255 * (grey / 255) ** draws.gamma.view(-1, 1, 1, 1)
    for side in sorted(set(draws.side.tolist())):
        if side < SIDE:
            rows = draws.side == side
            small = F.interpolate(grey[rows], size=(side, side), mode="area")
            grey[rows] = F.interpolate(small, size=grey.shape[-2:], mode="bilinear")
    return grey


def doubt(ballot: Tensor, draws: Draws) -> Tensor:
    """Ballots (N, 10 or more) of shrunk pictures: fewer people could say what these show.

    Below ``CLEAR`` pixels a share of every ballot goes to "unknown": none there, half of it at half
    the size.
    """
    share = (1 - draws.side / CLEAR).clamp(min=0)[:, None]
    unknown = torch.zeros(ballot.shape[1])
    unknown[UNKNOWN] = 1
    return ballot * (1 - share) + unknown * share


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
            n = SIDE // side
            tiles = faces[row].view(n, side, n, side).permute(0, 2, 1, 3).reshape(n * n, side, side)
            tiles = tiles[torch.randperm(n * n, generator=generator)]
            out[row] = tiles.view(n, n, side, side).permute(0, 2, 1, 3).reshape(SIDE, SIDE)
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
    freq = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None, :])
    freq[0, 0] = 1 / SIDE
    spectrum = np.fft.fft2(rng.normal(size=(SIDE, SIDE))) / freq ** rng.uniform(0, 2.2)
    return _as_crop(np.real(np.fft.ifft2(spectrum)))


def _stripes(rng: np.random.Generator) -> NDArray[np.uint8]:
    y, x = np.mgrid[:SIDE, :SIDE]
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 40)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
    if rng.random() < 0.5:
        wave = wave * np.sin((y * np.cos(angle) - x * np.sin(angle)) * 2 * np.pi / period)
    return _as_crop(np.sign(wave) if rng.random() < 0.5 else wave)


def _canvas(rng: np.random.Generator) -> tuple[Image.Image, ImageDraw.ImageDraw, int]:
    paper = int(rng.integers(0, 256))
    image = Image.new("L", (SIDE, SIDE), paper)
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
        points = [tuple(p) for p in rng.integers(0, SIDE, (int(rng.integers(2, 5)), 2)).tolist()]
        pen.line(points, fill=ink, width=int(rng.integers(1, 4)))
    return np.asarray(image)
