"""Runs mien's verbs in pseudo-terminals, as people do: piped output hides what breaks a terminal.

One process imports everything once and forks a child for each command, which gets a terminal of
its own. A process for each command would spend most of a test on importing torch.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-9]|4[0-9]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")
SECONDS = 120


@dataclass(frozen=True)
class Ended:
    """How a command ended, and the bytes that its terminal got, as text."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        """Without escape sequences."""
        return ESCAPE.sub("", self.raw).replace("\r\n", "\n")


class Terminals:
    """The process that forks a child for each command."""

    def __init__(self) -> None:
        root = Path(__file__).parents[1]
        path = os.pathsep.join([str(root / "src"), str(root), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.terminal"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def run(self, *argv: object, cwd: Path, columns: int = 80, **environment: str) -> Ended:
        """Run ``mien argv…`` in a terminal of ``columns`` columns."""
        asked = {
            "argv": [str(word) for word in argv], "cwd": str(cwd), "columns": columns,
            "environment": environment,
        }  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        return Ended(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self.process.communicate()


def spawn(argv: list[str], *, cwd: Path, columns: int, environment: dict[str, str]) -> Ended:
    """Fork a child that runs ``mien argv…`` in a terminal, and read all that it writes."""
    import fcntl
    import pty
    import struct
    import termios

    child, terminal = pty.fork()
    if not child:
        code = 1
        try:
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            # "mien train" starts itself again unless the allocator was told what it wants
            os.environ.update({"TERM": "xterm-256color", "MALLOC_TOP_PAD_": "0"} | environment)
            os.chdir(cwd)
            sys.argv = ["mien", *argv]
            sys.stdin = os.fdopen(0)
            sys.stdout = os.fdopen(1, "w", encoding="utf-8", buffering=1)
            sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1)
            code = _main()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    signal.alarm(SECONDS)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    seen = b""
    while True:
        try:
            block = os.read(terminal, 65536)
        except OSError:  # the child has closed its side
            break
        if not block:
            break
        seen += block
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    signal.alarm(0)
    os.close(terminal)
    return Ended(code, seen.decode("utf-8", "replace"))


def _main() -> int:
    import traceback

    from mien.cli import main

    try:
        main()
    except SystemExit as ending:
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)
        return ending.code if isinstance(ending.code, int) else int(bool(ending.code))
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _serve() -> None:
    """Answer a line for each command on standard input."""
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM"):
        os.environ.pop(name, None)
    import matplotlib.pyplot  # noqa: F401
    import onnxruntime  # noqa: F401
    import optuna  # noqa: F401
    import timm  # noqa: F401

    import mien.train.fit  # noqa: F401
    from mien.cli import build

    build()
    for line in sys.stdin:
        asked = json.loads(line)
        ended = spawn(
            asked["argv"], cwd=Path(asked["cwd"]), columns=asked["columns"],
            environment=asked["environment"],
        )  # fmt: skip
        print(json.dumps({"code": ended.code, "raw": ended.raw}), flush=True)


if __name__ == "__main__":
    _serve()
