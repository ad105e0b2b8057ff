"""Steps of a long job: each is done once, and again only if its inputs changed."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from mien.atomic import write_json

T = TypeVar("T")
FILE = "steps.json"
BEAT = 15.0
"""Seconds between two notes of the time spent on a step."""


class Steps:
    """The steps of one folder, noted in its ``steps.json`` as they end.

    Args:
        folder: of the job.
        tell: is told a line when a step begins, and when one is passed over.
    """

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self.folder = folder
        self.tell = tell
        self.skipped: list[str] = []

    def read(self) -> dict[str, dict[str, Any]]:
        """What is noted: step to ``inputs`` (a fingerprint) and ``seconds``."""
        try:
            found: dict[str, dict[str, Any]] = json.loads((self.folder / FILE).read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def run(
        self, name: str, inputs: Any, outputs: Iterable[Path], work: Callable[[], object]
    ) -> bool:
        """Do a step unless it was done from the same inputs and its outputs are there.

        Args:
            name: of the step.
            inputs: what decides the outputs, as JSON types.
            outputs: files or folders that the step leaves.
            work: does it; after a kill it resumes or replaces what it left unfinished.

        Returns:
            Whether it was done now.
        """
        key = fingerprint(inputs)
        noted = self.read().get(name, {})
        if noted.get("inputs") == key and all(path.exists() for path in outputs):
            self.skipped.append(name)
            self.tell(f"{name}: done before ({noted['seconds']:.0f} s), skipped")
            return False
        self.tell(f"{name} …")
        began = time.monotonic()
        before = noted.get("seconds", 0.0) if noted.get("begun") == key else 0.0

        def note(state: str) -> None:
            spent = before + time.monotonic() - began
            self._note(name, {state: key, "seconds": round(spent, 1)})

        ended = threading.Event()

        def keep_time() -> None:  # a kill leaves no other chance to count what was spent
            while not ended.wait(BEAT):
                with suppress(OSError):  # a full disk is the work's to report
                    note("begun")

        note("begun")
        clock = threading.Thread(target=keep_time, daemon=True)
        clock.start()
        done = False
        try:
            work()
            done = True
        finally:
            ended.set()
            clock.join()
            note("inputs" if done else "begun")
        return True

    def seconds(self) -> dict[str, float]:
        """What each step took, with interrupted tries but for the last seconds before a kill."""
        return {name: float(noted["seconds"]) for name, noted in self.read().items()}

    def _note(self, name: str, noted: dict[str, Any]) -> None:
        write_json(self.folder / FILE, self.read() | {name: noted})


def fingerprint(inputs: Any) -> str:
    """A short hash of JSON types."""
    text = json.dumps(inputs, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
