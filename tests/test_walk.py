from __future__ import annotations

import os
from pathlib import Path

import pytest

from mien.walk import walk


def never(error: OSError) -> None:
    pytest.fail(str(error))


def test_linked_folders_are_entered_once_and_loops_end(tmp_path: Path):
    root, other = tmp_path / "root", tmp_path / "other"
    for path in (root / "b" / "1.png", root / ".hidden" / "2.png", other / "3.png"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "a").symlink_to(other)
    (root / "c").symlink_to(other)
    (root / "b" / "round").symlink_to(root)
    (root / "lost").symlink_to(tmp_path / "nothing")
    found = [
        (place.relative_to(root).as_posix(), files) for place, files in walk(root, refuse=never)
    ]
    assert found == [(".", ["lost"]), ("a", ["3.png"]), ("b", ["1.png"])]


def test_what_cannot_be_read_is_told(tmp_path: Path):
    told: list[OSError] = []
    assert list(walk(tmp_path / "none", refuse=told.append)) == []
    assert told[0].filename == str(tmp_path / "none")


def test_some_are_not_entered(tmp_path: Path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    places = [p.name for p, _ in walk(tmp_path, refuse=never, enter=lambda path: path.name != "a")]
    assert places == [tmp_path.name, "c"]


def test_pipes_are_left_out(tmp_path: Path):
    os.mkfifo(tmp_path / "1.png")
    (tmp_path / "2.png").touch()
    (tmp_path / "3.png").symlink_to(tmp_path / "1.png")
    assert list(walk(tmp_path, refuse=never)) == [(tmp_path, ["2.png"])]


def test_folders_come_in_order_of_path(tmp_path: Path):
    for name in ("b/x", "a/z", "a/y/1", "c"):
        (tmp_path / name).mkdir(parents=True)
    found = [p.relative_to(tmp_path).as_posix() for p, _ in walk(tmp_path, refuse=never)]
    assert found == [".", "a", "a/y", "a/y/1", "a/z", "b", "b/x", "c"]
