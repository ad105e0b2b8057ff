"""The files of onnxruntime-web that the static page needs: pinned, and checked by hash."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
FILES = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort-wasm-simd-threaded.mjs": (
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b"
    ),
    "ort-wasm-simd-threaded.wasm": (
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"
    ),
}
"""sha256 of each file in the package's ``dist``."""

_BY_HAND = (
    f"fetch the package elsewhere (npm pack {PACKAGE}@{VERSION}) and name its file with --ort"
)


def read_ort(source: Path | None = None) -> dict[str, bytes]:
    """The pinned files by name.

    Args:
        source: the package's ``.tgz``, its folder, or a folder with ``node_modules``; None asks
            npm for it.

    Raises:
        ValueError: npm cannot fetch it, or what is there is not the pinned version.
    """
    if source is None:
        with tempfile.TemporaryDirectory() as scratch:
            return _verified(_from_tgz(_pack(Path(scratch))))
    if source.is_dir():
        return _verified(_from_folder(source))
    return _verified(_from_tgz(source))


def _pack(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise ValueError(f"npm is not installed; install Node.js, or {_BY_HAND}")
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        told = str(error.stderr or error).strip().splitlines() or ["no reason given"]
        raise ValueError(f"npm could not fetch {PACKAGE} ({told[-1]}); {_BY_HAND}") from None
    return next(folder.glob("*.tgz"))


def _from_tgz(path: Path) -> dict[str, bytes]:
    try:
        with tarfile.open(path) as archive:
            found = {}
            for name in FILES:
                member = archive.extractfile(f"package/dist/{name}")
                found[name] = member.read() if member else b""
            return found
    except (KeyError, tarfile.TarError) as error:
        raise ValueError(f"{path}: not the package {PACKAGE} ({error}); {_BY_HAND}") from None


def _from_folder(folder: Path) -> dict[str, bytes]:
    inside = ("", "dist", "package/dist", f"{PACKAGE}/dist", f"node_modules/{PACKAGE}/dist")
    for place in inside:
        if all((folder / place / name).is_file() for name in FILES):
            return {name: (folder / place / name).read_bytes() for name in FILES}
    raise ValueError(f"{folder}: holds no {PACKAGE} with {', '.join(FILES)}; {_BY_HAND}")


def _verified(found: dict[str, bytes]) -> dict[str, bytes]:
    for name, data in found.items():
        if hashlib.sha256(data).hexdigest() != FILES[name]:
            raise ValueError(f"{name}: is not that of {PACKAGE} {VERSION}; {_BY_HAND}")
    return found
