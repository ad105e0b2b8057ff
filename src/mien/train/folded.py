"""Batch norms put back into a trunk whose weights carry them folded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def unfold_norms(trunk: nn.Module, biases: dict[str, Tensor], inputs: Tensor) -> None:
    """Set each batch norm so that the trunk computes what its folded original did.

    A norm's running mean and variance become those of ``inputs`` (N, 3, s, s, normalised), its
    weight and bias undo them and add the folded bias; so training starts from the original
    function with well-scaled norms.
    """
    was_training = trunk.training
    trunk.eval()
    handles = []
    for name, norm in trunk.named_modules():
        if name not in biases:
            continue

        def calibrate(module: Any, args: tuple[Tensor], bias: Tensor = biases[name]) -> None:
            x = args[0].transpose(0, 1).flatten(1)
            module.running_mean.copy_(x.mean(dim=1))
            module.running_var.copy_(x.var(dim=1))
            module.weight.copy_((module.running_var + module.eps).sqrt())
            module.bias.copy_(module.running_mean + bias)

        handles.append(norm.register_forward_pre_hook(calibrate))
    trunk.forward_features(inputs)  # type: ignore[operator]
    for handle in handles:
        handle.remove()
    trunk.train(was_training)
