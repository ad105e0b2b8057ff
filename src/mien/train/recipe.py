"""A recipe: all settings of a training, validated when it is read.

TOML becomes frozen typed models that reject unknown keys; below ``fit`` only plain typed arguments
go on.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from mien import library
from mien.train.sections import (
    Augment,
    Balance,
    Data,
    Network,
    Optimizer,
    Schedule,
    Section,
    Stopping,
    Targets,
    Transfer,
    Tune,
)

T = TypeVar("T")
LONGEST_NAME = 200
"""Bytes of a run's name: file systems take 255, and partial files add to it."""


class Recipe(Section):
    """All settings of one training."""

    name: str = "run"
    """Name of the run's folder below ``runs/``; the recipe's file name unless given."""
    epochs: int = Field(default=8, ge=1, le=100_000)
    """Passes over the training pictures."""
    batch_size: int = Field(default=64, ge=2, le=1_000_000)
    """Pictures in a batch, over all processes."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Seed of initial weights, order and augmentation."""
    ema: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which is kept. The decay warms up.
    0 keeps the raw weights."""
    precision: Literal["float32", "bf16", "auto"] = "float32"
    """auto is bf16 where it is faster: on GPUs, with AMX, and on AMD's AVX-512."""
    kernels: Literal["auto", "stock"] = "auto"
    """auto trains with layers that are faster on this CPU (the extra ``fast``); stock keeps
    PyTorch's. The weights are interchangeable."""
    compile: bool = False
    """Compile the network (torch.compile): it starts slowly, and rounds differently."""
    sizes: dict[str, Annotated[int, Field(ge=24, le=512)]] = Field(default={})
    """Progressive resizing: from when on -> pixels a side; ``network.size`` before the first. A key
    is an epoch (from 0), or a share of the training: 0.4 is after two fifths."""
    data: Data = Data()
    network: Network = Network()
    transfer: Transfer = Transfer()
    targets: Targets = Targets()
    augment: Augment = Augment()
    balance: Balance = Balance()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    stopping: Stopping = Stopping()
    tune: Tune = Tune()

    @field_validator("name")
    @classmethod
    def _below_runs(cls, name: str) -> str:
        return check_name(name)

    @model_validator(mode="after")
    def _keys_agree(self) -> Recipe:
        for name, keys in (("sizes", self.sizes), ("transfer.freeze", self.transfer.freeze)):
            for key in keys:
                if _first_epoch(key, self.epochs) is None:
                    raise ValueError(
                        f"{name}: {key!r} is not an epoch from 0 to {self.epochs - 1}, nor a share "
                        "of the training such as 0.4"
                    )
        plateau = "schedule.name = 'plateau'" if self.schedule.name == "plateau" else ""
        scored = plateau or ("stopping.patience" if self.stopping.patience else "")
        if scored and not self.data.holdout:
            raise ValueError(f"{scored} needs a held-out score; set data.holdout=0.1")
        if self.transfer.frozen_epochs >= max(self.epochs, 1):
            raise ValueError(
                "transfer.frozen_epochs must leave some of the epochs for the trunk, of "
                f"{self.epochs}; give fewer, or a share such as 0.1"
            )
        return self

    def size_at(self, epoch: int) -> int:
        """Pixels a side in this epoch (from 0)."""
        return self._at(self.sizes, epoch, self.network.size)

    def frozen_at(self, epoch: int) -> str:
        """The last frozen layer of the trunk in this epoch (from 0); "" is none."""
        return self._at(self.transfer.freeze, epoch, "")

    @property
    def frozen_epochs(self) -> int:
        """First epochs in which only the heads are trained; at least one is left for the trunk."""
        asked = self.transfer.frozen_epochs
        return min(_after(asked, self.epochs), self.epochs - 1) if asked < 1 else int(asked)

    @property
    def freezing_epochs(self) -> set[int]:
        """The epochs (from 0) at which more of the trunk's layers are frozen."""
        return {_first_epoch(key, self.epochs) or 0 for key in self.transfer.freeze}

    def _at(self, steps: Mapping[str, T], epoch: int, default: T) -> T:
        """The value of the latest key up to this epoch."""
        begun = {_first_epoch(k, self.epochs) or 0: steps[k] for k in sorted(steps, key=float)}
        return begun[max(reached)] if (reached := [e for e in begun if e <= epoch]) else default

    def to_toml(self) -> str:
        """The resolved recipe as TOML that ``load`` reads back; ``[tune]`` decides no training."""
        return _toml(self.model_dump(exclude_none=True, exclude={"tune"}))

    def same_training(self, other: Recipe) -> bool:
        """Whether both train alike, apart from ``[tune]``, kernels and how epochs are written."""
        return self._decisions() == other._decisions()

    @property
    def digest(self) -> str:
        """Short hash of all that decides the training, but for where files and folders lie."""
        tree = self._decisions()
        tree["data"]["path"] = tree["targets"]["teacher"] = ""
        tree["network"]["start"] = Path(self.network.start).name
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:12]

    def _decisions(self) -> dict[str, Any]:
        tree = self.model_dump(exclude={"tune": True, "kernels": True, "sizes": True,
                                        "transfer": {"freeze", "frozen_epochs"}})  # fmt: skip
        epochs = range(self.epochs)
        return tree | {
            "frozen": self.frozen_epochs,
            "sizes": [self.size_at(epoch) for epoch in epochs],
            "freeze": [self.frozen_at(epoch) for epoch in epochs],
        }


def _after(share: float, epochs: int) -> int:
    """The first epoch that begins when this share of the training is done."""
    return math.ceil(share * epochs - 1e-9)


def _first_epoch(key: str, epochs: int) -> int | None:
    """The epoch (from 0) that a key of ``sizes`` or ``transfer.freeze`` means, if it is one."""
    if key.isascii() and key.isdecimal():
        return int(key) if int(key) < epochs else None
    if re.fullmatch(r"0?\.\d+", key):
        return _after(float(key), epochs)
    return None


def within(steps: Mapping[str, T], epochs: int) -> dict[str, T]:
    """The keys of ``sizes`` or ``transfer.freeze`` that fit a training of so many epochs."""
    return {key: value for key, value in steps.items() if _first_epoch(key, epochs) is not None}


def load(path: Path | str | None, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe, by path or name, and apply ``key=value`` overrides (``optimizer.lr=3e-4``).

    Raises:
        FileNotFoundError: no such file.
        ValueError: broken TOML, an unknown key (with the nearest known one), or a bad value.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        path = library.find(path)
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: not TOML: {error}") from None
        tree.setdefault("name", path.stem)
    for override in overrides:
        _override(tree, override)
    return parse(tree, source=str(path or "recipe"))


def parse(tree: Mapping[str, Any], *, source: str = "recipe") -> Recipe:
    """Validate a nested mapping into a recipe.

    Raises:
        ValueError: every problem, in one line.
    """
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors()]
        raise ValueError(f"{source}: " + "; ".join(lines)) from None


def vary(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with some keys changed (``{"optimizer.lr": 3e-4}``), checked again."""
    tree = recipe.model_dump(exclude_none=True)
    for key, value in changes.items():
        _put(tree, key, value)
    return parse(tree, source=recipe.name)


def check_name(name: str) -> str:
    """Check a run's name, whose folder must lie below ``runs/``; ``a/b`` is a fold of ``a``.

    Raises:
        ValueError: it would lie elsewhere, or file systems cannot take it.
    """
    parts = re.split(r"[/\\]", name)
    odd = any(part.strip() in ("", ".", "..") for part in parts)
    if odd or not name.isprintable() or re.match("[A-Za-z]:", name):
        raise ValueError(f"{name!r} cannot name a run's folder; give a plain name such as my_run")
    if max(len(part.encode()) for part in parts) > LONGEST_NAME:
        raise ValueError(f"longer than {LONGEST_NAME} bytes; give a shorter name")
    return name


def known_keys() -> list[str]:
    """Every key of a recipe, sections dotted."""
    keys = []
    for name, field in Recipe.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        keys += [f"{name}.{key}" for key in inner] if inner else [name]
    return keys


def _explain(problem: Any) -> str:
    where = [str(part) for part in problem["loc"]]
    key = ".".join(where)
    if problem["type"] != "extra_forbidden":
        message = str(problem["msg"]).removeprefix("Value error, ")
        return f"{key}: {message}" if key else message
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
    key = key.strip()
    try:
        read: Any = tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        read = value.strip()
    if _is_text(key) and not isinstance(read, str):  # name=2024
        read = value.strip()
    _put(tree, key, read)


def _is_text(key: str) -> bool:
    section: Any = Recipe
    for part in key.split("."):
        field = getattr(section, "model_fields", {}).get(part)
        section = field and field.annotation
    return section is str


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
        if not isinstance(tree, dict):
            raise ValueError(f"{key!r}: {section!r} is a value, not a section")
    tree[last] = value


def toml_value(value: Any) -> str:
    """A scalar or a list as TOML writes it: JSON without its surrogates."""
    return json.dumps(value, ensure_ascii=False)


def _toml(tree: Mapping[str, Any], prefix: str = "") -> str:
    """Write nested dicts of scalars and lists."""
    plain = {k: v for k, v in tree.items() if not isinstance(v, dict)}
    tables = {k: v for k, v in tree.items() if isinstance(v, dict)}
    lines = [f"{_key(k)} = {toml_value(v)}" for k, v in plain.items()]
    out = "\n".join(lines) + ("\n" if lines else "")
    for name, table in tables.items():
        head = f"{prefix}{_key(name)}"
        out += f"\n[{head}]\n{_toml(table, head + '.')}"
    return out


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else toml_value(name)
