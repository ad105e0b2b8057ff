"""Folders as people have them: bad links, locked places, pipes, phones' formats, no face."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mien.infer.inputs import find_pictures

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Three pictures in pics/a and pics/b each; the working folder is above."""
    for folder in ("a", "b"):
        for number in range(3):
            path = tmp_path / "pics" / folder / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


GOOD = [f"pics/{folder}/{number}.jpg" for folder in "ab" for number in range(3)]


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def two_loops(path: Path) -> None:
    path.symlink_to("other.jpg")
    path.with_name("other.jpg").symlink_to(path.name)


def nowhere(path: Path) -> None:
    path.symlink_to("/nowhere/x.jpg")


def too_long(path: Path) -> None:
    path.symlink_to("x" * 300)


@pytest.mark.parametrize("given", ["pics", "pics/*/*.jpg", "pics/**/*.jpg", "pics/**", "pics/a*/*"])
@pytest.mark.parametrize("bad", [loop, two_loops, nowhere, too_long])
def test_one_bad_link_is_one_entry(place, bad, given):
    bad(place / "pics" / "a" / "link.jpg")
    found = find_pictures([given])
    wanted = [path for path in GOOD if given != "pics/a*/*" or "/a/" in path]
    assert [path for path in found if path in GOOD] == wanted
    assert "pics/a/link.jpg" in found


@pytest.mark.parametrize("given", ["pics", "pics/*/*.jpg", "pics/**/*.jpg"])
def test_a_link_into_a_locked_folder_is_one_entry(place, given, monkeypatch):
    link = place / "pics" / "a" / "link.jpg"
    link.symlink_to(place / "secret" / "x.jpg")
    stat = os.stat

    def locked(path, *args, **more):
        # root may enter everything: what the kernel says to everyone else
        if str(path).endswith("link.jpg") and more.get("follow_symlinks", True):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **more)

    monkeypatch.setattr(os, "stat", locked)
    assert set(find_pictures([given])) == {*GOOD, "pics/a/link.jpg"}


@pytest.mark.parametrize("given", ["pics", "pics/*/*", "pics/**"])
def test_pipes_and_sockets_are_passed_over(place, given):
    os.mkfifo(place / "pics" / "a" / "pipe.jpg")
    (place / "pics" / "b" / "link.jpg").symlink_to(place / "pics" / "a" / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("pics/b/socket.jpg")
        assert find_pictures([given]) == GOOD


@pytest.mark.parametrize(
    "name", ["IMG.HEIC", "a.jp2", "b.MPO", "c.heif", "d.NEF", "e.cr3", "f.DNG", "g.avif", "h.jxl"]
)
def test_formats_of_phones_and_cameras_are_listed(place, name):
    (place / "pics" / "a" / name).touch()
    assert f"pics/a/{name}" in find_pictures(["pics"])


def test_the_folder_of_copies_may_be_reached_by_a_loop(place):
    (place / "drawn").symlink_to("drawn")
    assert find_pictures(["pics"], copies=Path("drawn")) == GOOD
