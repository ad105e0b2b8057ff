"""Bundles: a trained model's graph and its card; find, verify, list and add them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from dataclasses import asdict, dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from typing import Any

from mien.emotions import BALLOT, EMOTIONS

ASSETS = Path(__file__).parent / "assets"
DEFAULT = "default"
GRAPH, CARD = "model.onnx", "card.json"
WEIGHTS = "weights.safetensors"
"""Beside the graph where later trainings may start from the model."""


class BundleError(ValueError):
    """A bundle that is missing, damaged or of another make; the message names the remedy."""


@dataclass(frozen=True)
class Card:
    """What travels with a graph.

    ``views`` are the mirror views averaged inside; ``size`` the side of a crop; ``frame`` the
    place of the eyes, nose and mouth in it; ``unclear_threshold`` the share of unknown and NF at
    which a face is called unclear; ``metrics`` figures with split and interval; ``data`` name and
    fingerprint of what it was trained on; ``start`` origin and licence of the starting weights;
    ``cost`` parameters, multiply-adds, bytes; ``calibration`` what the graph does to its scores:
    a temperature for the label, a scale and an offset for each option of the ballot.
    """

    name: str
    sha256: str
    labels: tuple[str, ...] = tuple(e.value for e in EMOTIONS)
    ballot: tuple[str, ...] = BALLOT
    size: int = 48
    views: int = 1
    frame: dict[str, tuple[float, float]] = field(default_factory=dict)
    unclear_threshold: float = 0.5
    network: dict[str, Any] = field(default_factory=dict)
    start: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0 (code); weights: see start and data"
    format: int = 1

    @classmethod
    def read(cls, path: Path) -> Card:
        """Parse a card; keys of later versions are passed over.

        Raises:
            BundleError: not a card, or one with another order of labels.
        """
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            values = {name: raw[name] for name in cls.__dataclass_fields__ if name in raw}
            for name in ("labels", "ballot"):
                if name in values:
                    values[name] = tuple(values[name])
            card = cls(**values)
        except (OSError, TypeError, ValueError) as error:
            raise BundleError(f"{path}: not a card of a bundle ({error})") from None
        if card.labels != tuple(e.value for e in EMOTIONS) or card.ballot != BALLOT:
            raise BundleError(f"{path}: its labels stand in another order than this mien's")
        return card

    def write(self, path: Path) -> None:
        """Write as readable JSON."""
        path.write_text(
            json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


@dataclass(frozen=True)
class Bundle:
    """A verified bundle on disk."""

    path: Path
    card: Card

    @property
    def graph(self) -> Path:
        """The ONNX file."""
        return self.path / GRAPH


def user_folder() -> Path:
    """Where ``mien models add`` puts bundles: the platform's folder for a user's data."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "mien" / "models"


def search_path() -> list[Path]:
    """Folders whose subfolders are bundles, in order of search."""
    extra = [Path(p) for p in os.environ.get("MIEN_MODELS", "").split(os.pathsep) if p]
    return [ASSETS, *extra, user_folder(), Path("models")]


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
            if (card.parent / GRAPH).is_file() and card.parent.name not in found:
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
        if (folder / CARD).is_file() and (folder / GRAPH).is_file():
            return folder
    known = ", ".join(bundle.path.name for bundle in list_bundles()) or "none"
    raise BundleError(f"no model {str(name)!r}; known by name: {known}; or give a bundle's folder")


def load(name: str | Path | None = None) -> Bundle:
    """Find a bundle and check its graph against the card's sha256.

    Raises:
        BundleError: missing, damaged, or of another make.
    """
    folder = find(name)
    card = Card.read(folder / CARD)
    if sha256(folder / GRAPH) != card.sha256:
        raise BundleError(
            f"{folder / GRAPH}: differs from its card's sha256; fetch or export the bundle again"
        )
    return Bundle(folder, card)


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


def add(source: str, *, name: str | None = None, expected: str | None = None) -> Bundle:
    """Copy a bundle, from a folder, a ``.zip`` or a URL of one, into the user's folder.

    Args:
        source: path or URL.
        name: what to call it; its card's name by default.
        expected: sha256 of the zip, where the giver states one.

    Raises:
        BundleError: the hash of zip or graph is wrong, there is no bundle in it, its name cannot
            name a folder, or another model would be found under that name.
        OSError: it cannot be fetched or written.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(source)
        if "://" in source:
            folder = Path(scratch) / "bundle.zip"
            try:
                answer = urllib.request.urlopen(source, timeout=60)
            except (OSError, HTTPException) as error:
                raise BundleError(
                    f"{source}: cannot be fetched ({error}); check the address and the network"
                ) from None
            with answer, folder.open("wb") as file:
                shutil.copyfileobj(answer, file)
        if folder.is_file():
            if expected and sha256(folder) != expected.lower():
                raise BundleError(f"{source}: its sha256 is {sha256(folder)}, not {expected}")
            try:
                with zipfile.ZipFile(folder) as archive:
                    archive.extractall(Path(scratch) / "out")
            # damaged bytes, a password, and a compression that Python does not know
            except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
                raise BundleError(
                    f"{source}: not a zip of a bundle, or a damaged one ({error}); fetch it again"
                ) from None
            cards = sorted((Path(scratch) / "out").rglob(CARD))
            if not cards:
                raise BundleError(f"{source}: holds no {CARD}")
            folder = cards[0].parent
        elif expected:
            raise BundleError(f"{source}: a sha256 is that of a .zip, and this is a folder")
        bundle = load(folder)
        target = user_folder() / _free(name or bundle.card.name)
        part = target.with_name(target.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for file_name in (GRAPH, CARD, WEIGHTS):
            if (bundle.path / file_name).exists():
                shutil.copyfile(bundle.path / file_name, part / file_name)
        shutil.rmtree(target, ignore_errors=True)
        part.replace(target)
    return Bundle(target, bundle.card)


def _free(name: str) -> str:
    """A name that is a plain folder's, and that no bundle ahead in the search already has."""
    # A card comes from anyone: its name must not lead out of the user's folder.
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise BundleError(f"{name!r} cannot name a model; use letters, digits, '.', '_' and '-'")
    ahead = search_path()[: search_path().index(user_folder())]
    taken = next((folder / name for folder in ahead if (folder / name / CARD).is_file()), None)
    if taken is not None:
        raise BundleError(f"{name!r} would be hidden by {taken}; give another --name")
    return name
