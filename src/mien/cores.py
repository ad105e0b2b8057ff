"""What the CPU offers this process: cores, and its maker and features."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def cores(cgroup: Path = CGROUP) -> int:
    """Cores that affinity and a container's CPU quota leave to this process, at least 1.

    ``os.cpu_count`` names those of the whole machine: with as many threads as that, a container
    that was given two of 64 cores spends its time switching between them.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    quota = _quota(cgroup)
    return count if quota is None else max(1, min(count, -int(-quota // 1)))


def _quota(cgroup: Path) -> float | None:
    """CPU time a second that the container may use, in cores; None where there is no limit."""
    for limit, period in (("cpu.max", None), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            words = (cgroup / limit).read_text(encoding="ascii").split()
            if period:
                words += (cgroup / period).read_text(encoding="ascii").split()
            allowed, every = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):
            continue  # no such file, or "max"
        if allowed > 0 and every > 0:
            return allowed / every
    return None


@lru_cache
def cpu_features() -> frozenset[str]:
    """The maker and the flags of the CPU in Linux's words; none on other systems."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    keys = ("vendor_id", "flags")
    words = (next((line for line in lines if line.startswith(key)), "") for key in keys)
    return frozenset(word for line in words for word in line.partition(":")[2].split())
