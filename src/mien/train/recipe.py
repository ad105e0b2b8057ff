"""A recipe: everything that decides a training, as text that is checked where it enters.

TOML becomes frozen typed models that reject unknown keys; below ``fit`` only plain typed arguments
go on.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Section):
    """What is learnt from."""

    path: str = ""
    holdout: float = Field(0.0, ge=0, lt=1)
    """Share of Training kept out, by group, and scored after each epoch; 0 trains on all."""
    nonfaces: float = Field(0.04, ge=0, le=0.5)
    """Share of a batch replaced by made non-faces, which teach ``unclear``."""


class Network(_Section):
    """The trunk and where it starts."""

    trunk: str = "mobilenetv1_100"
    """Any timm model name."""
    trunk_args: dict[str, Any] = {}
    start: str = "random"
    """random, imagenet, faceres, default, lite0..2, or a .safetensors / .pth file."""
    size: int = Field(96, ge=24, le=512)
    """Pixels a side inside the network; crops are upsampled to it."""
    crop: int = Field(48, ge=24, le=48)
    """Pixels of the centre crop that is upsampled."""
    dropout: float = Field(0.0, ge=0, lt=1)
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


class Targets(_Section):
    """What the two heads are asked for."""

    label: float = Field(1.0, ge=0)
    ballot: float = Field(1.0, ge=0)
    smoothing: float = Field(0.1, ge=0, lt=1)


class Augment(_Section):
    """Ranges that each picture's changes are drawn from."""

    flip: float = Field(0.5, ge=0, le=1)
    rotate: float = Field(10.0, ge=0, le=180)
    """Degrees either way."""
    scale: float = Field(0.15, ge=0, lt=1)
    shift: float = Field(0.12, ge=0, lt=1)
    """Share of the side."""
    brightness: float = Field(0.2, ge=0)
    contrast: float = Field(0.2, ge=0, lt=1)
    erase: float = Field(0.5, ge=0, le=1)
    """Probability of one erased rectangle."""


class Optimizer(_Section):
    """Any optimiser that timm knows by name."""

    name: str = "adamw"
    lr: float = Field(4e-4, gt=0)
    head_lr: float | None = Field(None, gt=0)
    weight_decay: float = Field(0.02, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    clip: float = Field(0.0, ge=0)
    """Largest gradient norm; 0 does not clip."""


class Schedule(_Section):
    """How the learning rate moves, batch by batch."""

    name: Literal["cosine", "constant"] = "cosine"
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of all steps."""
    floor: float = Field(0.0, ge=0, le=1)
    """Last learning rate as a share of the highest."""


class Recipe(_Section):
    """One training, whole."""

    name: str = "run"
    epochs: int = Field(8, ge=1)
    batch_size: int = Field(64, ge=2)
    seed: int = 0
    ema: float = Field(0.998, ge=0, lt=1)
    """Decay of the averaged weights, which are what is kept; 0 keeps the raw ones."""
    precision: Literal["float32", "bf16"] = "float32"
    sizes: dict[str, int] = {}
    """Progressive size: first epoch (from 0) -> pixels; before the first, ``network.size``."""
    data: Data = Data()
    network: Network = Network()
    targets: Targets = Targets()
    augment: Augment = Augment()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()

    @model_validator(mode="after")
    def _sizes_are_epochs(self) -> Recipe:
        for key in self.sizes:
            if not key.isdigit() or int(key) >= self.epochs:
                raise ValueError(f"sizes: {key!r} is not an epoch from 0 to {self.epochs - 1}")
        return self

    def size_at(self, epoch: int) -> int:
        """Pixels a side in this epoch (from 0)."""
        size = self.network.size
        for first in sorted(self.sizes, key=int):
            if int(first) <= epoch:
                size = self.sizes[first]
        return size

    def to_toml(self) -> str:
        """The resolved recipe as TOML that ``load`` reads back equal."""
        return _toml(self.model_dump(exclude_none=True))


def load(path: Path | str | None, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe file and apply ``key=value`` overrides (``optimizer.lr=3e-4``).

    Raises:
        FileNotFoundError: no such file.
        ValueError: broken TOML, an unknown key (with the nearest known one), or a bad value.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such recipe; recipes/ holds those of mien")
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{path}: not TOML: {error}") from None
        tree.setdefault("name", path.stem)
    for override in overrides:
        _override(tree, override)
    return parse(tree, source=str(path or "recipe"))


def parse(tree: Mapping[str, Any], *, source: str = "recipe") -> Recipe:
    """Check a nested mapping and freeze it.

    Raises:
        ValueError: every problem, one a line.
    """
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors()]
        raise ValueError(f"{source}: " + "; ".join(lines)) from None


def _explain(problem: Any) -> str:
    where = [str(part) for part in problem["loc"]]
    key = ".".join(where)
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg']}" if key else str(problem["msg"])
    section: Any = Recipe
    for part in where[:-1]:
        section = section.model_fields[part].annotation
    near = difflib.get_close_matches(where[-1], section.model_fields, n=1, cutoff=0.4)
    known = ", ".join(section.model_fields)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {known}"
    return f"unknown key {key!r}; {hint}"


def _override(tree: dict[str, Any], text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"{text!r} is not key=value (as in optimizer.lr=3e-4)")
    *sections, last = key.strip().split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ValueError(f"{text!r}: {section!r} is a value, not a section")
    try:
        tree[last] = tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        tree[last] = value.strip()


def _toml(tree: Mapping[str, Any], prefix: str = "") -> str:
    """Write nested dicts of scalars and lists; JSON scalars are TOML scalars."""
    plain = {k: v for k, v in tree.items() if not isinstance(v, dict)}
    tables = {k: v for k, v in tree.items() if isinstance(v, dict)}
    lines = [
        f"{json.dumps(k) if not k.isidentifier() else k} = {json.dumps(v)}"
        for k, v in plain.items()
    ]
    out = "\n".join(lines) + ("\n" if lines else "")
    for name, table in tables.items():
        head = f"{prefix}{name}"
        out += f"\n[{head}]\n{_toml(table, head + '.')}"
    return out
