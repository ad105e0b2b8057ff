"""What a network says of pictures while it trains, and how much of that is right."""

from __future__ import annotations

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch import Tensor

from mien.data.dataset import Dataset
from mien.measure.metrics import classification
from mien.train import optim
from mien.train.loop import State
from mien.train.network import Network, upsample


def score(state: State, held: Dataset) -> dict[str, float]:
    """Held-out accuracy of the label head and of the ballot's favourite, flips averaged."""
    label, ballot = _scores(state, held, size=state.recipe.network.size, bf16=quick(state))
    truth, votes = torch.from_numpy(held.emotion), torch.from_numpy(held.votes)
    row = {optim.SCORE: _share(label.argmax(1) == truth)}
    clear = votes.max(dim=1).values > 5
    if clear.any():
        row["held_ballot"] = _share(ballot.argmax(1)[clear] == votes.argmax(1)[clear])
    return row


def validate(state: State, valid: Dataset) -> dict[str, float]:
    """Accuracy and macro F1 of the label head on a validation split, flips averaged."""
    recipe, ended = state.recipe, state.epoch + 1 == state.recipe.epochs
    # at the epoch's own size until the last: batch norms of some networks fit no other
    size = recipe.network.size if ended else recipe.size_at(state.epoch)
    scores = predict_valid(state, valid, size=size, bf16=quick(state))
    found = classification(valid.emotion, scores)(np.ones((1, len(valid))))
    return {f"valid_{name}": round(float(found[name][0]), 4) for name in ("accuracy", "macro_f1")}


def quick(state: State) -> bool:
    """Whether scores on the way may be bf16, as the training is; those of the last epoch are not.

    So they equal those of the network that is kept.
    """
    return state.bf16 and state.epoch + 1 < state.recipe.epochs


def predict_valid(
    state: State, valid: Dataset, *, size: int, bf16: bool = False
) -> NDArray[np.float64]:
    """(N, 7) label shares, at ``size`` pixels."""
    label, _ = _scores(state, valid, size=size, bf16=bf16)
    return label.double().numpy()


def _scores(state: State, data: Dataset, *, size: int, bf16: bool) -> tuple[Tensor, Tensor]:
    return predict_sharded(
        state.kept, torch.from_numpy(data.images), accelerator=state.accelerator,
        size=size, crop=state.recipe.network.crop, bf16=bf16,
    )  # fmt: skip


@torch.no_grad()
def predict(
    network: Network, images: Tensor, *, size: int, crop: int = 48, flip: bool = True,
    bf16: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Probabilities of ``label`` (N, 7) and ``ballot`` (N, 10), averaged over mirror views."""
    network.eval()
    device = next(network.parameters()).device
    # 256 is half as fast where the C allocator gives memory back after each layer: in a notebook
    batch_size = 128 if device.type == "cpu" else 256
    outputs: tuple[list[Tensor], list[Tensor]] = ([torch.zeros(0, 7)], [torch.zeros(0, 10)])
    for start in range(0, len(images), batch_size):
        grey = upsample(images[start : start + batch_size].to(device), size=size, crop=crop)
        views = [grey, grey.flip(-1)] if flip else [grey]
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            heads = zip(*(network(view) for view in views), strict=True)
        for k, head in enumerate(heads):
            outputs[k].append(torch.stack([x.float().softmax(1) for x in head]).mean(0).cpu())
    return torch.cat(outputs[0]), torch.cat(outputs[1])


def predict_sharded(
    network: Network, images: Tensor, *, accelerator: Accelerator, size: int, crop: int,
    bf16: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """As ``predict``, with the rows shared among processes; each gets all results.

    Scores are gathered with their row numbers, so no shard is padded and no row counts twice.
    """
    rows = torch.arange(len(images))[accelerator.process_index :: accelerator.num_processes]
    label, ballot = predict(network, images[rows], size=size, crop=crop, bf16=bf16)
    gathered = gather_object([(rows, label, ballot)])
    order = torch.cat([part[0] for part in gathered]).argsort()
    return (
        torch.cat([part[1] for part in gathered])[order],
        torch.cat([part[2] for part in gathered])[order],
    )


def _share(hits: Tensor) -> float:
    return round(hits.float().mean().item(), 4)
