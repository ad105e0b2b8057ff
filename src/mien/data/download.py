"""Fetches the FER-2013 image folders from Kaggle."""

from __future__ import annotations

import shutil
from pathlib import Path

HANDLE = "aadityasinghal/facial-expression-dataset"
BY_HAND = (
    f"by hand: open kaggle.com/datasets/{HANDLE}, sign in, press Download, unpack the archive, "
    "then run: mien data prepare FOLDER OUT"
)


def fetch(out: Path | None = None) -> Path:
    """Download the set with kagglehub, which needs a network and a Kaggle key.

    Args:
        out: folder to copy it to; None leaves it in kagglehub's cache.

    Returns:
        Where it lies.

    Raises:
        ValueError: kagglehub is not installed or cannot get it; the message says what to do.
    """
    try:
        import kagglehub
    except ModuleNotFoundError:
        raise ValueError(f"kagglehub is missing; pip install kagglehub, or {BY_HAND}") from None
    try:
        folder = Path(kagglehub.dataset_download(HANDLE))
    except Exception as error:  # kagglehub lets through whatever its HTTP stack raises
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ValueError(
            f"{HANDLE}: kagglehub could not fetch it ({reason}); check the network and the key "
            f"in ~/.kaggle/kaggle.json, or {BY_HAND}"
        ) from None
    if out is None:
        return folder
    shutil.copytree(folder, out, dirs_exist_ok=True)
    return out
