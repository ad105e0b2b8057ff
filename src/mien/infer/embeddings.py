"""A file of every face's pooled features, written whole when all pictures are done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.atomic import replacing
from mien.infer.record import Made
from mien.infer.results import Picture, written

NPZ, PARQUET = ".npz", ".parquet"
TOLD = ("model", "model_sha256", "mien_version")
COLUMNS = ("source", "face", "embedding", *TOLD)


class Embeddings:
    """Sources, numbers of faces and features (N, D), in the order of the pictures.

    They are held in memory: 4 kB a face for the embedded model.

    Args:
        path: ends in ``.npz`` or ``.parquet``.
        made: which model and settings the file names.

    Raises:
        ValueError: another ending.
        ModuleNotFoundError: Parquet is asked for and pyarrow is not installed.
    """

    def __init__(self, path: Path, made: Made) -> None:
        if path.suffix not in (NPZ, PARQUET):
            raise ValueError(f"--embeddings {path}: name a file that ends in {NPZ} or {PARQUET}")
        if path.suffix == PARQUET:
            import pyarrow  # noqa: F401  (else it would be missed after all the work)
        self.path = path
        self.made = made
        self.sources: list[str] = []
        self.faces: list[int] = []
        self.rows: list[NDArray[np.float32]] = []

    def check(self, *, fresh: bool) -> None:
        """Make the file's folder; refuse to replace a file, unless ``fresh``.

        Raises:
            ValueError: there is one, or a folder.
        """
        if self.path.is_dir():
            raise ValueError(f"--embeddings {self.path}: a folder; name a file")
        if self.path.exists() and not fresh:
            raise ValueError(
                f"--embeddings {self.path}: exists, and is not resumed; name another file, or pass "
                "--overwrite"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def lacks(self, source: str) -> bool:
        """Always: the file is written once, so it takes every picture."""
        return True

    def write(self, picture: Picture) -> None:
        """Take the features of a picture's faces."""
        for number, face in enumerate(picture.faces):
            if face.embedding is not None:
                self.sources.append(written(picture.source))
                self.faces.append(number)
                self.rows.append(face.embedding)

    def close(self) -> None:
        """Write the file."""
        vectors = np.stack(self.rows) if self.rows else np.empty((0, 0), np.float32)
        told = self.made.columns()
        with replacing(self.path) as part:
            if self.path.suffix == PARQUET:
                self._parquet(part, vectors, told)
            else:
                with part.open("wb") as file:  # a name would get .npz at its end
                    np.savez(
                        file,
                        source=np.array(self.sources, dtype=np.str_),
                        face=np.array(self.faces, dtype=np.int64),
                        embedding=vectors,
                        model=np.array(told["model"]),
                        model_sha256=np.array(told["model_sha256"]),
                        mien_version=np.array(told["mien_version"]),
                    )

    def _parquet(self, part: Path, vectors: NDArray[np.float32], told: dict[str, str]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        flat = pa.array(vectors.reshape(-1), pa.float32())
        width = vectors.shape[1]
        columns = {
            "source": pa.array(self.sources, pa.string()),
            "face": pa.array(self.faces, pa.int64()),
            "embedding": pa.FixedSizeListArray.from_arrays(flat, width)
            if width
            else pa.array([], pa.list_(pa.float32())),
        }
        columns |= {name: pa.array([told[name]] * len(self.faces), pa.string()) for name in TOLD}
        parquet.write_table(pa.table(columns), part)
