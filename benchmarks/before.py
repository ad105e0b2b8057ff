"""mien as it was at an earlier commit, beside today's in one process, to compare the two.

Needs a git checkout whose history reaches back that far.
"""

import importlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from types import ModuleType

BLAZEFACE = "007d5b7"
"""The last commit whose detector was BlazeFace."""
NAME = "mien_before"


def package(revision: str = BLAZEFACE) -> Path:
    """Folder that holds ``src/mien`` of a commit as the package ``mien_before``."""
    root = Path(__file__).parents[1]
    packed = subprocess.run(
        ["git", "-C", str(root), "archive", revision, "src/mien"], check=True, capture_output=True
    ).stdout
    folder = Path(tempfile.mkdtemp(prefix="mien-before-"))
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        files.extractall(folder, filter="data")
    (folder / "src" / "mien").rename(folder / NAME)
    for path in (folder / NAME).rglob("*.py"):
        text = path.read_text().replace("from mien", f"from {NAME}")
        path.write_text(text.replace("import mien", f"import {NAME}"))
    return folder


def module(name: str, revision: str = BLAZEFACE) -> ModuleType:
    """A module of mien as it was, ``infer.detect`` say."""
    if NAME not in sys.modules:
        sys.path.insert(0, str(package(revision)))
    return importlib.import_module(f"{NAME}.{name}")
