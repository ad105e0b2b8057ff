"""Results of slow stages, kept under the hash of what they were computed from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.atomic import replacing

Arrays = dict[str, NDArray[Any]]


def key_of(*parts: object) -> str:
    """Hash of plain values: strings, numbers, None, and lists or dicts of these."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Cache:
    """A folder with the last result of each stage."""

    folder: Path

    def path(self, stage: str, key: str, suffix: str) -> Path:
        """Where a result of ``stage`` belongs; the folder is made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{stage}-{key}{suffix}"

    def arrays(self, stage: str, key: str, make: Callable[[], Arrays]) -> Arrays:
        """The arrays of a stage: read if they are there for this key, else made and kept."""
        path = self.path(stage, key, ".npz")
        if path.exists():
            with np.load(path, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        made = make()
        with replacing(path) as part, part.open("wb") as file:
            np.savez(file, **made)  # type: ignore[arg-type]  # allow_pickle: numpy 2.2
        self.forget(stage, path)
        return made

    def forget(self, stage: str, but: Path) -> None:
        """Remove the older results of a stage."""
        for old in self.folder.glob(f"{stage}-*"):
            if old != but:
                old.unlink()
