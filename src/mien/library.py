"""Recipes by name: where they lie, and what each says of itself."""

from __future__ import annotations

from pathlib import Path


def folders() -> list[Path]:
    """Where recipes lie that are called by name: in the installed package, or the checkout."""
    package = Path(__file__).parent
    return [package / "recipes", package.parents[1] / "recipes"]


def names() -> dict[str, Path]:
    """The recipes that ``mien train NAME`` knows."""
    found: dict[str, Path] = {}
    for folder in reversed(folders()):
        found |= {path.stem: path for path in sorted(folder.glob("*.toml"))}
    return dict(sorted(found.items()))


def find(name: Path | str) -> Path:
    """The file of a recipe given by path or by name.

    Raises:
        FileNotFoundError: neither; the message lists the names.
    """
    path, known = Path(name), names()
    if path.suffix == ".toml" and path.is_file():
        return path
    if found := known.get(str(name).removesuffix(".toml")):
        return found
    raise FileNotFoundError(f"{name}: no such recipe; known by name: {', '.join(known)}")


def about(path: Path) -> str:
    """The sentence that a recipe's first lines say of it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    said = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    return said[0] if said else ""
