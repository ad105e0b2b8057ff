"""One file that training loads in under a second: crops and their columns, uncompressed."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mien.atomic import replacing
from mien.data.neighbours import Rows

FACES = "faces.npz"
EXCLUDED = "excluded.npz"
ROWS_AT_A_TIME = 4096
SMALL, MOST_PACKED = 64 << 20, 20
"""Bytes that any packed file may unpack to, and how many times its own size a larger one may."""


def write_packed(
    path: Path, rows: Rows, index: NDArray[np.int64], columns: dict[str, NDArray[Any]]
) -> None:
    """Write an ``.npz`` of the chosen crops and further columns, a chunk of crops at a time.

    Args:
        path: the file; replaced whole.
        rows: fetches (n, H, W) crops.
        index: rows to write, in order.
        columns: name to array.
    """
    shape = (len(index), *rows(np.zeros(0, np.int64)).shape[1:])
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for name, values in columns.items():
            with archive.open(_entry(name), "w", force_zip64=True) as file:
                npy.write_array(file, np.ascontiguousarray(values), allow_pickle=False)
        with archive.open(_entry("images"), "w", force_zip64=True) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            npy.write_array_header_1_0(file, header)
            for i in range(0, len(index), ROWS_AT_A_TIME):
                file.write(np.ascontiguousarray(rows(index[i : i + ROWS_AT_A_TIME])).tobytes())


def _entry(name: str) -> zipfile.ZipInfo:
    # ZipInfo's default time is a constant, so equal contents give equal bytes.
    return zipfile.ZipInfo(f"{name}.npy")


def read_packed(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of a packed file.

    Raises:
        ValueError: it is damaged, or unpacks to far more than it holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > max(SMALL, MOST_PACKED * path.stat().st_size):
            raise ValueError(f"{path.stat().st_size:,} bytes that unpack to {size:,}")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path}: damaged ({error}); run mien data prepare again") from None
