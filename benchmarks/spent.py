"""What a command costs: seconds, peak memory, CPU seconds.

The command is started from a small interpreter of its own: the peak that the kernel reports for a
child is never below the size of the process that started it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

WRAP = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
seconds = time.perf_counter() - began
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status.returncode, seconds, usage.ru_maxrss / 1024,
                  usage.ru_utime + usage.ru_stime]))
"""


@dataclass(frozen=True)
class Spent:
    """Of one run of a command: wall-clock seconds, peak memory in MB, CPU seconds."""

    seconds: float
    peak: float
    cpu: float


def spent(command: list[str]) -> Spent:
    """Run a command to its end.

    Raises:
        RuntimeError: it ended with an error.
    """
    done = subprocess.run(
        [sys.executable, "-c", WRAP, *command], check=True, stdout=subprocess.PIPE, text=True
    )
    status, seconds, peak, cpu = json.loads(done.stdout)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {status}")
    return Spent(seconds, peak, cpu)
