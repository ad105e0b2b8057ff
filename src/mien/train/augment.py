"""Changes to a whole batch of crops at once; drawing is apart from applying.

The affine grid samples straight from 48x48 to the network's size: with the identity it equals the
bilinear half-pixel upsampling of ``network.upsample``, so augmentation costs no second blur.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Draws:
    """What was drawn for N pictures, so that a process can apply its slice of a global batch.

    ``theta`` (N, 2, 3) for ``affine_grid``; ``gain`` and ``bias`` (N,) with values in 0..255;
    ``box`` (N, 4) erased rectangle (left, top, right, bottom) as shares of the side, empty where
    nothing is erased; ``fill`` (N,) its grey value.
    """

    theta: Tensor
    gain: Tensor
    bias: Tensor
    box: Tensor
    fill: Tensor

    def take(self, rows: Tensor) -> Draws:
        """The draws of some of the pictures, by their numbers."""
        return Draws(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


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
    return Draws(
        theta=theta,
        gain=(1 + either(contrast)).clamp(min=0.1),
        bias=either(brightness) * 128,
        box=torch.cat([corner, corner + side * hit], dim=1),
        fill=uniform(count) * 255,
    )


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
    grey = images[:, None].float()
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
