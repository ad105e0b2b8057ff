"""Channel pruning: stages of depthwise-separable blocks with fewer channels, from wider weights.

Channels go one by one: each time the channel whose removal, after compensating the remaining
weights, changes the next block's output least. Source: Hassibi & Stork, Second order derivatives
for network pruning: optimal brain surgeon, NIPS 1992, by whole channels as in Luo, Wu & Lin,
ThiNet, ICCV 2017.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TypeGuard

import torch
from timm.models._efficientnet_blocks import DepthwiseSeparableConv
from torch import Tensor, nn

from mien.train.network import Network

MOMENTS_BATCH = 64
RIDGE = 1e-4
"""Added to the channels' variances, as a share of their mean: some channels hardly ever speak."""
NORM = {"weight": 0, "bias": 0, "running_mean": 0, "running_var": 0}


class _Reached(Exception):  # noqa: N818  no error: what lies behind the layer is not asked
    """What a layer reads or outputs, (places, C) float64: the trunk need not run to its end."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = rows


def narrow(trunk: nn.Module, widths: Mapping[str, int]) -> None:
    """Reduce the channels of a trunk's stages, before weights are loaded.

    Args:
        trunk: as timm makes it; changed in place.
        widths: a stage's name, as ``blocks.3``, to the channels that each of its blocks outputs.

    Raises:
        ValueError: no such stage, one of other blocks, the last one (the heads read it), or no
            fewer channels than it has.
    """
    for block, after, width in _links(trunk, widths):
        for module, axes in _cut(block, after).items():
            for name, axis in axes.items():
                value = getattr(module, name)
                cut = value.detach().narrow(axis, 0, width).clone()
                setattr(module, name, nn.Parameter(cut) if isinstance(value, nn.Parameter) else cut)
        block.conv_pw.out_channels = block.bn2.num_features = width
        after.conv_dw.in_channels = after.conv_dw.out_channels = after.conv_dw.groups = width
        after.bn1.num_features = after.conv_pw.in_channels = width


def is_pruned(state: Mapping[str, Tensor], widths: Mapping[str, int]) -> bool:
    """Whether a network's weights by name have these widths already."""
    return all(
        len(state.get(f"trunk.{stage}.0.conv_pw.weight", ())) == width
        for stage, width in widths.items()
    )


@torch.no_grad()
def prune(network: Network, widths: Mapping[str, int], grey: Tensor) -> dict[str, Tensor]:
    """Prune weights to a narrower network whose output is as close as possible.

    Args:
        network: the wider one; it stays as it is.
        widths: as ``narrow`` takes them.
        grey: (N, 1, s, s), 0..255: pictures that tell what each channel is worth.

    Returns:
        State by name, for a network that is built with ``widths``.

    Raises:
        ValueError: as ``narrow``.
    """
    whole, less = copy.deepcopy(network).eval(), copy.deepcopy(network).eval()
    names = {module: name for name, module in less.named_modules()}
    links = zip(_links(whole.trunk, widths), _links(less.trunk, widths), strict=True)
    cuts = []
    for (_, reader, _), (block, after, width) in links:
        covariance, cross, mean, wanted = _moments(whole, reader, less, after, grey)
        norm = after.bn2
        kept, weight = keep(covariance, cross, width, norm.weight / norm.running_var.sqrt())
        after.conv_pw.weight.zero_()
        after.conv_pw.weight[:, kept, 0, 0] = weight.T.float()
        norm.running_mean += (mean[kept] @ weight - wanted).float()
        cuts += [
            (f"{names[module]}.{name}", axis, kept)
            for module, axes in _cut(block, after).items()
            for name, axis in axes.items()
        ]
    state = less.state_dict()
    for name, axis, kept in cuts:
        state[name] = state[name].index_select(axis, kept)
    return state


def keep(covariance: Tensor, cross: Tensor, width: int, gain: Tensor) -> tuple[Tensor, Tensor]:
    """Choose the inputs of a linear map that reproduce its outputs best, and their weights.

    Args:
        covariance: (C, C) float64, of the inputs.
        cross: (C, O) float64, of inputs with wanted outputs.
        width: inputs that stay.
        gain: (O,) what an output's error counts.

    Returns:
        (width,) indices, sorted, and (width, O) weights.
    """
    ridge = RIDGE * covariance.diagonal().mean()
    inverse = torch.linalg.inv(covariance + ridge * torch.eye(len(covariance)).double())
    weight = inverse @ cross
    left = torch.ones(len(covariance), dtype=torch.bool)
    for _ in range(len(covariance) - width):
        cost = ((weight * gain.double()) ** 2).sum(dim=1) / inverse.diagonal()
        least = int(torch.where(left, cost, torch.inf).argmin())
        share = inverse[:, least] / inverse[least, least]
        weight = weight - torch.outer(share, weight[least])
        inverse = inverse - torch.outer(share, inverse[least])
        left[least] = False
        inverse[least, least] = 1.0  # no longer looked at, and no division by nothing
    kept = left.nonzero().flatten()
    return kept, weight[kept]


def _moments(
    whole: Network,
    reader: DepthwiseSeparableConv,
    less: Network,
    after: DepthwiseSeparableConv,
    grey: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of what ``after``'s 1x1 convolution reads and what ``reader``'s outputs, over all places.

    Returns:
        (C, C) covariance of inputs, (C, O) covariance with outputs, means (C,) and (O,).
    """

    def stop(value: Tensor) -> None:
        raise _Reached(value.movedim(1, -1).flatten(0, -2).double())

    hooks = [
        after.conv_pw.register_forward_pre_hook(lambda _, args: stop(args[0])),
        reader.conv_pw.register_forward_hook(lambda _, args, out: stop(out)),
    ]
    count, sums = 0, [torch.zeros(())] * 4
    for at in range(0, len(grey), MOMENTS_BATCH):
        rows = []
        for network in (less, whole):
            try:
                network.features(grey[at : at + MOMENTS_BATCH])
            except _Reached as reached:
                rows += [reached.rows]
        x, y = rows
        count += len(x)
        parts = (x.T @ x, x.T @ y, x.sum(dim=0), y.sum(dim=0))
        sums = [total + part for total, part in zip(sums, parts, strict=True)]
    for hook in hooks:
        hook.remove()
    squares, products, mean, wanted = (total / count for total in sums)
    return squares - mean.outer(mean), products - mean.outer(wanted), mean, wanted


def _links(
    trunk: nn.Module, widths: Mapping[str, int]
) -> Iterator[tuple[DepthwiseSeparableConv, DepthwiseSeparableConv, int]]:
    """Each block that gets narrower, first to last, with the one that reads it and the width."""
    blocks = [
        (name.rpartition(".")[0], module)
        for name, module in trunk.named_modules()
        if hasattr(module, "conv_pw")
    ]
    known = list(dict.fromkeys(stage for stage, _ in blocks))
    for stage in widths:
        if stage not in known:
            raise ValueError(
                f"network.widths: no stage {stage!r} of depthwise-separable blocks; there are "
                f"{', '.join(known) or 'none'}"
            )
    for (stage, block), (_, after) in pairwise([*blocks, ("", None)]):
        if stage not in widths:
            continue
        if not (_is_plain(block) and _is_plain(after)):
            raise ValueError(
                f"network.widths: {stage} is the last stage, or not one of depthwise-separable "
                "blocks without shortcuts; leave it out"
            )
        if widths[stage] >= block.conv_pw.out_channels:
            raise ValueError(
                f"network.widths: {stage} has {block.conv_pw.out_channels} channels, and "
                f"{widths[stage]} are not fewer"
            )
        yield block, after, widths[stage]


def _is_plain(block: nn.Module | None) -> TypeGuard[DepthwiseSeparableConv]:
    return (
        isinstance(block, DepthwiseSeparableConv)
        and not block.has_skip
        and isinstance(block.se, nn.Identity)
    )


def _cut(
    block: DepthwiseSeparableConv, after: DepthwiseSeparableConv
) -> dict[nn.Module, dict[str, int]]:
    """Where the channels between two blocks are: the axis in each tensor of each module."""
    return {
        block.conv_pw: {"weight": 0},
        block.bn2: NORM,
        after.conv_dw: {"weight": 0},
        after.bn1: NORM,
        after.conv_pw: {"weight": 1},
    }
