"""Bundles: a trained model's graph and its card; find, verify, list and add them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path
from typing import IO

from mien.atomic import PART
from mien.card import BundleError as BundleError
from mien.card import Card as Card
from mien.card import is_file
from mien.onnxfile import has_external_data

ASSETS = Path(__file__).parent / "assets"
DEFAULT = "default"
GRAPH, CARD = "model.onnx", "card.json"
WEIGHTS = "weights.safetensors"
"""Beside the graph where later trainings may start from the model."""
IN_REPOSITORY = ("ensemble", "efficientnet_lite0")
"""Too large for the package: in the folder ``models`` of mien's repository."""
LARGEST = 2 << 30
"""Bytes of a bundle that are fetched or unpacked."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk."""

    path: Path
    card: Card

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.path / GRAPH

    def read(self) -> bytes:
        """The graph, checked against the card: what is opened is what was checked.

        Raises:
            BundleError: it cannot be read, differs from the card's sha256, or keeps weights in
                another file.
        """
        try:
            data = self.graph.read_bytes()
        except OSError as error:
            raise BundleError(
                f"{self.graph}: cannot be read ({error.strerror}); check its permissions"
            ) from None
        if hashlib.sha256(data).hexdigest() != self.card.sha256:
            raise BundleError(
                f"{self.graph}: differs from its card's sha256; fetch or export the bundle again"
            )
        try:
            outside = has_external_data(data)
        except ValueError as error:
            raise BundleError(
                f"{self.graph}: not a graph of ONNX ({error}); fetch or export the bundle again"
            ) from None
        if outside:
            raise BundleError(
                f"{self.graph}: keeps weights in another file, which its sha256 does not cover; "
                "save the graph with its weights inside"
            )
        return data


def user_folder() -> Path | None:
    """Where ``mien models add`` puts bundles; None for a user without a home, as in containers."""
    try:
        if sys.platform == "win32":
            base = _given("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Application Support"
        else:
            base = _given("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    except RuntimeError:
        return None
    return base / "mien" / "models"


def _given(name: str) -> Path | None:
    """A folder that the environment names; a relative one is ignored, as XDG asks for."""
    path = Path(os.environ.get(name, ""))
    return path if path.is_absolute() else None


def search_path() -> list[Path]:
    """Folders whose subfolders are bundles, in order of search."""
    extra = [Path(p) for p in os.environ.get("MIEN_MODELS", "").split(os.pathsep) if p]
    own = user_folder()
    return [ASSETS, *extra, *([] if own is None else [own]), Path("models")]


def list_bundles() -> list[Bundle]:
    """Every bundle that a name resolves to, in order of search; graphs are not verified.

    Those whose cards cannot be read are left out; ``damaged`` lists them.
    """
    return [found for found in _scan() if isinstance(found, Bundle)]


def damaged() -> list[BundleError]:
    """What is wrong with each bundle whose card cannot be read."""
    return [found for found in _scan() if isinstance(found, BundleError)]


def _scan() -> list[Bundle | BundleError]:
    found: dict[str, Bundle | BundleError] = {}
    for folder in search_path():
        for card in sorted(folder.glob(f"*/{CARD}")):
            if card.parent.name.startswith("."):  # half of one, being added
                continue
            if is_file(card.parent / GRAPH) and card.parent.name not in found:
                try:
                    found[card.parent.name] = Bundle(card.parent, Card.read(card))
                except BundleError as error:
                    found[card.parent.name] = error
    return list(found.values())


def find(name: str | Path | None = None) -> Path:
    """The folder of a bundle given by name or path; a run's folder gives its bundle.

    Without a name it is the model that mien carries, whatever lies in the working folder.

    Raises:
        BundleError: nothing is there; the message lists what is.
    """
    if name is None:
        return ASSETS / DEFAULT
    given = Path(name)
    candidates = [given, given / "bundle", *(folder / name for folder in search_path())]
    for folder in candidates:
        if is_file(folder / CARD) and is_file(folder / GRAPH):
            return folder
    known = ", ".join(bundle.path.name for bundle in list_bundles()) or "none"
    if name in IN_REPOSITORY:
        known += f" ({name} is in mien's repository: `mien models add models/{name}` there adds it)"
    raise BundleError(f"no model {str(name)!r}; known by name: {known}; or give a bundle's folder")


def load(name: str | Path | None = None) -> Bundle:
    """Find a bundle and check its graph against the card's sha256.

    Raises:
        BundleError: missing, damaged, or of another make.
    """
    folder = find(name)
    bundle = Bundle(folder, Card.read(folder / CARD))
    bundle.read()
    return bundle


def sha256(path: Path) -> str:
    """Hash of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def finish(folder: Path, card: Card) -> Bundle:
    """Write the card of the graph that lies in ``folder``, with the graph's hash and size."""
    graph = folder / GRAPH
    card = replace(card, sha256=sha256(graph), cost=card.cost | {"bytes": graph.stat().st_size})
    card.write(folder / CARD)
    return Bundle(folder, card)


def add(
    source: str,
    *,
    name: str | None = None,
    expected: str | None = None,
    check: Callable[[Bundle], None] = lambda bundle: None,
) -> Bundle:
    """Copy a bundle, from a folder, a ``.zip`` or a URL of one, into the user's folder.

    Args:
        source: path or URL.
        name: what to call it; its card's name by default.
        expected: sha256 of the zip, where the giver states one.
        check: what else to try before it takes its name; raises if it is no good.

    Raises:
        BundleError: the hash of zip or graph is wrong, there is no bundle in it, its name cannot
            name a folder, or another model would be found under that name.
        OSError: it cannot be written.
    """
    own = user_folder()
    if own is None:
        raise BundleError(
            "this user has no home folder for models; set XDG_DATA_HOME, or name the bundle's "
            "folder with --model"
        )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(source)
        if "://" in source:
            folder = Path(scratch) / "bundle.zip"
            _fetch(source, folder)
        if is_file(folder):
            if expected and sha256(folder) != expected.lower():
                raise BundleError(f"{source}: its sha256 is {sha256(folder)}, not {expected}")
            folder = _unpack(folder, source, Path(scratch) / "out")
        elif expected:
            raise BundleError(f"{source}: a sha256 is that of a .zip, and this is a folder")
        bundle = load(folder)
        target = own / _free(name or bundle.card.name, own)
        part = target.with_name(f".{target.name}{PART}")
        old = target.with_name(f".{target.name}.old")
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
        part.mkdir(parents=True)
        for file_name in (GRAPH, CARD, WEIGHTS):
            if is_file(bundle.path / file_name):
                shutil.copyfile(bundle.path / file_name, part / file_name)
        check(load(part))
        if target.exists():
            target.replace(old)
        part.replace(target)
        shutil.rmtree(old, ignore_errors=True)
    return Bundle(target, bundle.card)


def _fetch(address: str, target: Path) -> None:
    try:
        with urllib.request.urlopen(address, timeout=60) as answer, target.open("wb") as file:
            if _copy(answer, file, LARGEST) is None:
                raise BundleError(f"{address}: larger than {LARGEST >> 30} GB; not a bundle")
    except BundleError:
        raise
    except (OSError, ValueError, HTTPException) as error:
        raise BundleError(
            f"{address}: cannot be fetched ({error}); check the address and the network"
        ) from None


def _unpack(packed: Path, source: str, out: Path) -> Path:
    """Take a bundle's files, and nothing else, out of a zip."""
    # Weights hardly shrink in a zip: what swells to many times its size is no bundle.
    room = min(LARGEST, (64 << 20) + 20 * packed.stat().st_size)
    try:
        with zipfile.ZipFile(packed) as archive:
            names = set(archive.namelist())
            card = min((n for n in names if n.split("/")[-1] == CARD), key=len, default=None)
            if card is None:
                raise BundleError(f"{source}: holds no {CARD}; give a zip of a bundle's folder")
            out.mkdir()
            for file_name in (GRAPH, CARD, WEIGHTS):
                inside = card.removesuffix(CARD) + file_name
                if inside not in names:
                    continue
                with archive.open(inside) as packed_file, (out / file_name).open("wb") as file:
                    copied = _copy(packed_file, file, room)
                if copied is None:
                    raise BundleError(f"{source}: unpacks to more than a bundle does; not taken")
                room -= copied
    except BundleError:
        raise
    # damaged bytes, a password, and a compression that Python does not know
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, ValueError) as error:
        raise BundleError(
            f"{source}: not a zip of a bundle, or a damaged one ({error}); fetch it again"
        ) from None
    return out


def _copy(source: IO[bytes], target: IO[bytes], limit: int) -> int | None:
    """Copy a stream; how many bytes it had, or None if more than the limit."""
    size = 0
    while chunk := source.read(1 << 20):
        size += len(chunk)
        if size > limit:
            return None
        target.write(chunk)
    return size


def _free(name: str, own: Path) -> str:
    """A name that is a plain folder's, and that no bundle ahead in the search already has."""
    # A card comes from anyone: its name must not lead out of the user's folder.
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise BundleError(f"{name!r} cannot name a model; use letters, digits, '.', '_' and '-'")
    ahead = search_path()[: search_path().index(own)]
    taken = next((folder / name for folder in ahead if is_file(folder / name / CARD)), None)
    if taken is not None:
        raise BundleError(f"{name!r} would be hidden by {taken}; give another --name")
    return name
