"""The sections of a recipe: keys, units and ranges."""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Section(BaseModel):
    """A frozen table of a recipe that rejects unknown keys, and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(Section):
    """What is learnt from."""

    path: str = ""
    """The prepared data folder; the command line's DATA."""
    holdout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the train split that is held out, by group, and scored after each epoch; 0 trains
    on all."""
    nonfaces: float = Field(default=0.04, ge=0, le=0.5)
    """Share of a batch replaced by made non-faces, which teach ``unclear``."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the training pictures to use, by group; for quick trials."""

    @field_validator("path")
    @classmethod
    def _one_spelling(cls, path: str) -> str:
        return os.path.normpath(path) if path else path  # data/ is data


class Network(Section):
    """The trunk and where it starts."""

    trunk: str = "mobilenetv1_100"
    """Any timm model whose features are a map (N, C, h, w): convolutions, not vit or swin."""
    trunk_args: dict[str, Any] = {}
    """Further arguments of timm's ``create_model``, such as ``{ pad_type = "same" }``."""
    start: str = "random"
    """Starting weights: auto, random, imagenet, lite0, lite1, lite2, faceres, dlib, vgg16 (each
    with ``:FILE`` for a package on disk), the name of a model or a run, or a weights file."""
    size: int = Field(default=96, ge=24, le=512)
    """Pixels a side inside the network; crops are upsampled to it."""
    init: Literal["stock", "dirac"] = "stock"
    """Initialisation of a random start: the trunk's own, or dirac (convolutions begin as
    identities). Only with ``start = "random"``."""
    crop: int = Field(default=48, ge=24, le=48, multiple_of=2)
    """Pixels of the centre crop that is upsampled; even, or its centre is half a pixel off."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate of the pooled features."""
    stem: Literal["stock", "stride-1", "no-pool", "small", "no-last-pool"] = "stock"
    """Keep more of a small input: first convolution at stride 1, no first pooling, or both (small);
    or no last pooling, for VGG."""
    widths: dict[str, int] = {}
    """Output channels of a stage's blocks, where fewer than the trunk's (blocks.3 = 384); for
    depthwise-separable blocks. A wider start is pruned to them."""
    mean: tuple[float, float, float] | None = None
    """Mean that is subtracted from pixels of 0 to 1, by channel; the start's unless given."""
    std: tuple[float, float, float] | None = None
    """Standard deviation that they are divided by; the start's unless given."""


class Transfer(Section):
    """How a pretrained trunk is fine-tuned."""

    frozen_epochs: int | float = Field(default=0, ge=0)
    """First epochs in which only the heads are trained, at their full learning rate; below 1, a
    share of the training."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Layer-wise learning-rate decay: each layer's rate as a share of that of the layer above it; 1
    is one rate for the trunk."""
    frozen_norms: bool = False
    """Keep the batch norms' statistics of the start."""
    freeze: dict[str, str] = {}
    """From an epoch (from 0) or a share of the training on, the trunk's layers up to and including
    one are frozen at their averaged weights: {"0.4" = "blocks.1"}. Early layers cost most time."""

    @field_validator("frozen_epochs")
    @classmethod
    def _whole_or_share(cls, value: float) -> float:
        if value >= 1 and value != int(value):
            raise ValueError(f"{value} is neither a number of epochs nor a share below 1")
        return value


class Targets(Section):
    """Targets and losses of the two heads."""

    label: float = Field(default=1.0, ge=0)
    """Weight of the label head's loss."""
    ballot: float = Field(default=1.0, ge=0)
    """Weight of the ballot head's loss."""
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Label smoothing."""
    teacher: str = ""
    """Bundle to distil from, by name or folder; its scores are mixed into the targets."""
    teacher_weight: float = Field(default=0.7, ge=0, le=1)
    """Share of the teacher in each target."""
    teacher_views: Literal[0, 2, 8] = 8
    """Views of each picture that the teacher scores, once: 2 is the picture and its mirror image, 8
    are four shifts of both. With 0 it is asked about each batch, as augmented and mixed."""
    temperature: float = Field(default=1.0, gt=0)
    """Above 1 the teacher's scores are flattened, below 1 sharpened."""

    @property
    def taught(self) -> bool:
        """Whether a teacher has any share in the targets."""
        return bool(self.teacher and self.teacher_weight)


class Augment(Section):
    """Augmentation: the ranges that each picture's changes are drawn from."""

    flip: float = Field(default=0.5, ge=0, le=1)
    """Probability of a mirror image."""
    rotate: float = Field(default=10.0, ge=0, le=180)
    """Degrees either way."""
    scale: float = Field(default=0.15, ge=0, lt=1)
    """Share by which the size changes, either way."""
    shift: float = Field(default=0.12, ge=0, lt=1)
    """Share of the side by which a picture moves, either way."""
    brightness: float = Field(default=0.2, ge=0)
    """Share of 128 grey levels by which the brightness changes, either way."""
    contrast: float = Field(default=0.2, ge=0, lt=1)
    """Share by which the contrast changes, either way."""
    erase: float = Field(default=0.5, ge=0, le=1)
    """Probability of one erased rectangle."""
    gamma: float = Field(default=0.0, ge=0, le=2)
    """Range of the gamma's base-2 logarithm, either way: 0.5 is 0.71 to 1.41."""
    shrink: float = Field(default=0.0, ge=0, le=1)
    """Probability that a picture is shrunk to 10 to 32 pixels and enlarged again. A share of the
    ballot of those below 24 pixels goes to unknown."""
    mixup: float = Field(default=0.0, ge=0)
    """Alpha of mixup's Beta distribution; 0 turns mixup off."""


class Balance(Section):
    """Remedies for rare expressions; 0 turns each off."""

    weights: float = Field(default=0.0, ge=0, le=1)
    """A label's loss is weighted by its frequency to the power of minus this."""
    sampling: float = Field(default=0.0, ge=0, le=1)
    """A picture is drawn by its label's frequency to the power of minus this."""
    augment: float = Field(default=0.0, ge=0, le=4)
    """How much wider the ranges of ``augment`` are for the rarest label (1 doubles them)."""


class Optimizer(Section):
    """Any optimiser that timm knows by name."""

    name: str = "adamw"
    """The optimiser's name in timm: adamw, sgd, lion …"""
    lr: float = Field(default=4e-4, gt=0)
    """Peak learning rate."""
    head_lr: float | None = Field(default=None, gt=0)
    """Peak learning rate of the heads; ``lr`` unless given."""
    weight_decay: float = Field(default=0.02, ge=0)
    """Weight decay; biases and norms have none."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum, for optimisers that have it."""
    clip: float = Field(default=0.0, ge=0)
    """Largest gradient norm; 0 does not clip."""
    fused: bool = False
    """Use the optimiser's fused kernel, where it has one."""


class Schedule(Section):
    """How the learning rate moves: batch by batch, or (plateau) by the held-out score."""

    name: Literal["cosine", "one-cycle", "plateau", "constant"] = "cosine"
    """The schedule; plateau needs ``data.holdout``."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of all steps in which the learning rate rises to its peak."""
    floor: float = Field(default=0.0, ge=0, le=1)
    """Final learning rate as a share of the peak."""
    patience: int = Field(default=2, ge=1)
    """Plateau: epochs without a better score before the rate falls."""
    factor: float = Field(default=0.3, gt=0, lt=1)
    """Plateau: factor by which the rate is multiplied."""


class Stopping(Section):
    """Early stopping by the held-out score. Off in mien's recipes, which keep the last epoch."""

    patience: int = Field(default=0, ge=0)
    """Epochs without a better score before training ends; 0 never stops."""


class Tune(Section):
    """What ``mien tune`` searches."""

    space: dict[str, list[Any] | dict[str, float | int | bool]] = {
        "optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": True},
        "batch_size": [32, 64, 128],
        "optimizer.name": ["sgd", "adam", "adamw"],
    }
    """Recipe key -> a list of choices, or ``{ low = 1e-5, high = 1e-2, log = true }``."""
    epochs: int | None = Field(default=None, ge=1)
    """Epochs of a trial; the recipe's unless given."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Share of the train split that a trial learns from."""
    holdout: float = Field(default=0.1, gt=0, lt=1)
    """Share of the train split, by group, that trials are judged on."""
    minutes: float | None = Field(default=None, gt=0)
    """Most minutes of a trial; a trial that takes longer counts as pruned."""
