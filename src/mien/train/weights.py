"""Weights in files: written whole with their facts, read from ours, timm's or torchvision's."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mien import bundle
from mien.atomic import replacing
from mien.train.network import Network

FILE = bundle.WEIGHTS
NESTED = ("ema", "state_dict", "model_state_dict", "model", "network")


@dataclass(frozen=True)
class Weights:
    """State by name, and what the file says of itself."""

    state: dict[str, Tensor]
    origin: str
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


def write(network: Network, path: Path, *, facts: dict[str, Any], half: bool = False) -> None:
    """Write a network's weights atomically, with mean, std and ``facts`` inside the file.

    Args:
        network: any.
        path: a ``.safetensors`` file.
        facts: plain JSON types; ``origin`` is where the weights come from.
        half: floats as float16, but for tensors with values that it cannot hold.

    Raises:
        OSError: the disk is full or cannot be written; an older file stays as it was.
    """
    mean, std = (value.flatten().div(255).tolist() for value in (network.mean, network.std))
    state = {
        key: (value.half() if half and _fits_half(value) else value).contiguous().cpu()
        for key, value in network.state_dict().items()
    }
    note = json.dumps({"mean": mean, "std": std, **facts})
    try:
        with replacing(path) as part:
            part.write_bytes(save(state, metadata={"mien": note}))  # save_file's: the owner's alone
    except (OSError, SafetensorError) as error:
        raise OSError(f"{path}: the weights could not be written ({error})") from error


def _fits_half(value: Tensor) -> bool:
    """Whether float16 has room: variances of a network that takes 0 to 255 can be too large."""
    return value.is_floating_point() and bool(value.abs().max() <= torch.finfo(torch.half).max)


def runs_folder() -> Path:
    """Where runs are kept: ``$MIEN_RUNS``, else ``runs/``."""
    return Path(os.environ.get("MIEN_RUNS", "runs"))


def find(name: str) -> Path:
    """The file that a start names: a path, a run's name or folder, or a bundle with its weights.

    Raises:
        FileNotFoundError: there is none; the message says where it was looked for.
    """
    given = Path(name)
    places = [runs_folder(), *bundle.search_path()]
    for path in (given, given / FILE, *(folder / name / FILE for folder in places)):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"network.start={name}: no such weights; give a .safetensors or .pth file, a run's folder, "
        f"or the name of a run or model with a {FILE} in {', '.join(map(str, places))}"
    )


def read(path: Path) -> Weights:
    """A ``.safetensors`` file, or a ``.pth`` file of tensors by name (nested as trainers do).

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weights; give a .safetensors or .pth file")
    facts: dict[str, Any] = {}
    state: Any
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as file:
                told = json.loads((file.metadata() or {}).get("mien", "{}"))
                facts = told if isinstance(told, dict) else {}
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever a damaged pickle comes upon
        raise ValueError(
            f"{path}: cannot be read as weights ({type(error).__name__}); it must hold tensors by "
            "name, as torch.save(model.state_dict()) or safetensors write them"
        ) from error
    for key in NESTED:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise ValueError(f"{path}: holds no tensors by name; it must be a state dict")
    state = {
        key.removeprefix("module."): value.float() if value.is_floating_point() else value
        for key, value in state.items()
    }
    return Weights(
        state,
        origin=str(facts.get("origin") or f"file {path.name}"),
        mean=_triple(facts.get("mean"), path),
        std=_triple(facts.get("std"), path),
    )


def _triple(value: Any, path: Path) -> tuple[float, float, float] | None:
    """A mean or std that a file tells of its pixels.

    Raises:
        ValueError: it is neither absent nor three finite numbers.
    """
    if value is None:
        return None
    try:
        one, two, three = (float(each) for each in value)
    except (TypeError, ValueError):
        one = two = three = math.nan
    if not all(map(math.isfinite, (one, two, three))):
        raise ValueError(f"{path}: its mean or std are not three numbers; export the file again")
    return one, two, three


def fit_into(
    network: Network,
    state: dict[str, Tensor],
    *,
    source: str,
    whole: bool,
    heads: bool = False,
) -> None:
    """Load weights of a whole network of ours, or of a bare trunk.

    A classifier of another task is passed over, as is a head of ours of another shape: heads then
    keep their random start.

    Args:
        network: is changed.
        state: as ``read`` returns it.
        source: what messages call it.
        whole: whether every weight of the trunk must be there.
        heads: whether our two heads must be there too.

    Raises:
        ValueError: it does not fit, or holds what is no number; the message names the weights.
    """
    broken = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(
            f"{source}: {len(broken)} weights hold infinite or missing values: {broken[0]} …; "
            "fetch or export the file again"
        )
    if not any(key.startswith("trunk.") for key in state):
        state = {f"trunk.{key}": value for key, value in state.items()}
    own = network.state_dict()
    fits = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
    needed = [
        key
        for key in own
        if (key.startswith("trunk.") or heads) and not key.endswith("num_batches_tracked")
    ]
    missing = [key for key in needed if key not in fits]
    if missing if whole else len(fits) < len(state):
        missing = missing if whole else [key for key in state if key not in fits]
        shown = ", ".join(missing[:3]) + (" …" if len(missing) > 3 else "")
        raise ValueError(
            f"{source}: does not fit this recipe's network; {len(missing)} weights are "
            f"missing or of another shape: {shown}"
        )
    network.load_state_dict(fits, strict=False)
