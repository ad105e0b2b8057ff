"""Does a fault ever cost a person's work? Kills, full disks, two writers, bad files, slow clients.

    python -m benchmarks.faults [--quick] [--minutes 5] [--seed 0]

Each job runs once undisturbed. Then it is disturbed and started again by the same command, and what
it leaves is compared with what the undisturbed one left, row by row or byte by byte. Prints a line
a job and fault: faults tried, faults survived, items lost (missing, doubled or different). Ends
with exit code 1 if anything was lost. All is made here, in a temporary folder; networks are tiny.
"""

import argparse
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.fault_jobs import Job, end, finish, lost, make_place, start, table
from PIL import Image

PHOTO = Path(__file__).parents[1] / "examples" / "astronaut.jpg"


@dataclass
class Tally:
    """What a job has been through."""

    tried: int = 0
    survived: int = 0
    lost: int = 0

    def add(self, tried: int, lost: int) -> None:
        """A round: so many faults, after which so many items were lost."""
        self.tried += tried
        self.survived += 0 if lost else tried
        self.lost += lost


def kill(job: Job, out: Path, rng: random.Random, longest: float) -> int:
    """SIGKILL at some random times; how often it struck."""
    struck = 0
    for _ in range(2):
        running = start(job, out)
        with suppress(subprocess.TimeoutExpired):
            running.wait(rng.uniform(0.35, 1.0) * longest)
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            struck += 1
        running.communicate()
    return struck


def fill(job: Job, out: Path, rng: random.Random, longest: float) -> int:
    """The disk is full after so many bytes of a file; how often the command met it."""
    met = 0
    for size in (0, int(10 ** rng.uniform(2, 5))):
        running = start(job, out, file_limit=size)
        end(running)
        met += running.returncode != 0
    return met


def twice(job: Job, out: Path, rng: random.Random, longest: float) -> int:
    """The same command by two people at once."""
    both = [start(job, out), start(job, out)]
    for running in both:
        end(running)
    return 2


FAULTS = {"kill -9": kill, "full disk": fill, "two writers": twice}
QUICK = {"full disk": ("predict --csv", "data prepare", "train"), "two writers": ("predict --csv",)}
"""With --quick, the jobs of each fault; each job is killed."""


def bad_files(root: Path, rng: random.Random, count: int) -> Tally:
    """Cut and damaged pictures among good ones: each gets a row, and the good ones their faces."""
    folder, out = root / "bad", root / "bad.csv"
    folder.mkdir()
    whole = PHOTO.read_bytes()
    sources = {"jpg": whole}
    for kind in ("png", "webp", "gif", "bmp", "tiff"):
        Image.open(PHOTO).resize((96, 96)).save(root / f"one.{kind}")
        sources[kind] = (root / f"one.{kind}").read_bytes()
    for number in range(count):
        kind = rng.choice(list(sources))
        data = bytearray(sources[kind][: rng.randrange(len(sources[kind]))])
        for _ in range(rng.choice((0, 1, 20)) if data else 0):
            data[rng.randrange(len(data))] = rng.randrange(256)
        (folder / f"{number:04}.{kind}").write_bytes(data)
    for number in range(5):
        (folder / f"good {number}.jpg").write_bytes(whole)
    job = Job("bad files", lambda _: ["predict", folder, "--csv", out],
              lambda _: table(out, "source"))  # fmt: skip
    rows = finish(job, root / "bad-runs")
    missing = [p for p in folder.iterdir() if str(p) not in rows]
    missing += [p for p in folder.glob("good*") if "happy" not in rows.get(str(p), "")]
    return Tally(count + 5, count + 5 - len(missing), len(missing))


def slow_clients(root: Path, count: int) -> tuple[Tally, float]:
    """Clients that hold their connections, beside an honest one; and the slowest liveness answer.

    A third send nothing, a third half a header, a third one byte of a body.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = Job(
        "serve", lambda _: ["serve", "--port", port, "--model", root / "bundle"], lambda _: {}
    )
    service, tally, slowest, held = start(job, root / "serve"), Tally(), 0.0, []
    head = b"POST /v1/analyze HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    body = b"Content-Type: image/jpeg\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"

    def ask(method: str, path: str, data: bytes | None = None) -> tuple[bool, float]:
        began = time.monotonic()
        try:
            line = HTTPConnection("127.0.0.1", port, timeout=30)
            line.request(method, path, data, {"Content-Type": "image/jpeg"})
            good = line.getresponse().status == 200
        except OSError:
            good = False
        return good, time.monotonic() - began

    try:
        began = time.monotonic()
        while not ask("GET", "/readyz")[0] and time.monotonic() - began < 60:
            time.sleep(0.2)
        for number in range(count):
            with suppress(OSError):  # refusing them is an answer too
                held.append(socket.create_connection(("127.0.0.1", port), 5))
                held[-1].sendall((b"", head, head + body)[number % 3])
        for _ in range(10):
            alive, seconds = ask("GET", "/healthz")
            served, _ = ask("POST", "/v1/analyze", PHOTO.read_bytes())
            slowest = max(slowest, seconds)
            tally.add(2, 2 - alive - served)
    finally:
        for line in held:
            line.close()
        os.killpg(service.pid, signal.SIGKILL)
        service.communicate()
    return tally, slowest


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="a round of each kill, and some others"
    )
    parser.add_argument("--minutes", type=float, default=5, help="of rounds, shared by all jobs")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    began, rng, total = time.monotonic(), random.Random(asked.seed), 0
    print(f"{'job':<18}{'fault':<14}{'tried':>6}{'survived':>10}{'lost':>6}", flush=True)

    def told(job: str, fault: str, tally: Tally) -> None:
        nonlocal total
        total += tally.lost
        row = f"{job:<18}{fault:<14}{tally.tried:>6}{tally.survived:>10}{tally.lost:>6}"
        print(row, flush=True)

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        jobs = make_place(root)
        wanted, longest = {}, {}
        for job in jobs:
            before = time.monotonic()
            wanted[job.name] = finish(job, root / "clean" / job.name)
            longest[job.name] = time.monotonic() - before
        pairs = [(job, fault) for fault in FAULTS for job in jobs
                 if not asked.quick or job.name in QUICK.get(fault, (job.name,))]  # fmt: skip
        for job, fault in pairs:
            until, tally = time.monotonic() + 60 * asked.minutes / len(pairs), Tally()
            for number in itertools.count():
                out = root / "rounds" / f"{job.name} {fault} {number}"
                struck = 0
                try:
                    struck = FAULTS[fault](job, out, rng, longest[job.name])
                    tally.add(struck, lost(wanted[job.name], finish(job, out)))
                except (RuntimeError, OSError, ValueError) as error:  # nothing to compare: all lost
                    print(f"{job.name}, {fault}: {error}", file=sys.stderr)
                    tally.add(max(1, struck), len(wanted[job.name]))
                # one that ended before it was struck has shown nothing: once more, for some time
                if (asked.quick and tally.tried) or time.monotonic() > until:
                    break
            told(job.name, fault, tally)
        told("predict", "bad files", bad_files(root, rng, 60 if asked.quick else 400))
        tally, slowest = slow_clients(root, 60 if asked.quick else 600)
        told("serve", "slow clients", tally)
    print(f"slowest /healthz {slowest:.2f} s; {time.monotonic() - began:.0f} s in all")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
