"""Atomic checkpoints: a kill at any moment leaves the last good one."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch


def save(state: dict[str, Any], path: Path) -> None:
    """Write beside the old checkpoint, flush to the disk, then take its place.

    Raises:
        OSError: the disk is full or the folder cannot be written; the old checkpoint stays.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        # torch reports a failed write of its archive as a RuntimeError
        part.unlink(missing_ok=True)
        raise OSError(
            f"{path}: the checkpoint could not be written ({error}); the last good one is kept. "
            "Free some space and run the same command again."
        ) from error
    part.replace(path)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        ValueError: the file is damaged; the message says what to do.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path}: the checkpoint is damaged ({type(error).__name__}); delete it to start the "
            "run again from its first epoch"
        ) from error
    return state
