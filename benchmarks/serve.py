"""The HTTP service under load, against the model in the same process, in ratios.

    python -m benchmarks.serve [--model NAME] [--requests 10000] [--clients 32]

Prints five tables: requests a second, latency and memory for 1, 8 and 32 clients; both endpoints
with and without micro-batching beside ``analyze_many`` in process; a long run in windows (p99,
memory) with what it must hold: no 5xx but 503, memory within 10 % before and after; an overload.
All on loopback, bounded in count and time. The clients share the machine's cores with the service.
"""

import argparse
import asyncio
import io
import itertools
import os
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from mien.infer.crop import SIDE, crop_face
from mien.infer.model import load

PHOTO = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
ROUND = 6.0  # seconds of one round of the comparison
REST = 6.0  # seconds after which memory is looked at
LIMIT = 600.0  # seconds after which the long run stops, however far it is


@dataclass
class Load:
    """What a burst of requests came to."""

    seconds: float
    statuses: Counter
    waits: list[float]
    marks: list[tuple[int, float, float]]  # requests so far, p99 ms, memory MB of each window

    def rate(self) -> float:
        """Good answers a second."""
        return self.statuses[200] / self.seconds

    def percentile(self, share: float) -> float:
        """Of the waits, ms."""
        return float(np.quantile(self.waits, share) * 1000)


class Service:
    """``mien serve`` in a process of its own."""

    def __init__(self, model: str | None, **options) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        limits = options.pop("limits", {})
        code = (
            "import logging; from mien.web.server import serve; from mien.web.limits import Limits;"
            "logging.disable(logging.INFO);"
            f"serve({model!r}, port={self.port}, limits=Limits(**{limits!r}), **{options!r})"
        )
        self.process = subprocess.Popen([sys.executable, "-c", code])

    def __enter__(self) -> "Service":
        until = time.monotonic() + 90
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait(90)

    def memory(self) -> float:
        """Resident, MB."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


def request(path: str, body: bytes, kind: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def burst(
    service: Service,
    requests: list[bytes],
    *,
    clients: int,
    count: int = 10**9,
    seconds: float,
    window: int = 10**9,
) -> Load:
    """Keep ``clients`` connections busy until ``count`` requests or ``seconds`` are over."""
    numbers = itertools.count()
    begin = time.perf_counter()
    load = Load(0, Counter(), [], [])

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        while (n := next(numbers)) < count and time.perf_counter() - begin < seconds:
            sent = time.perf_counter()
            writer.write(requests[n % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            fields = head.lower().split(b"\r\n")
            length = next(f for f in fields if f.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            load.statuses[int(head.split(b" ", 2)[1])] += 1
            load.waits.append(time.perf_counter() - sent)
            if len(load.waits) % window == 0:
                part = load.waits[-window:]
                p99 = float(np.quantile(part, 0.99) * 1000)
                load.marks.append((len(load.waits), p99, service.memory()))
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    load.seconds = time.perf_counter() - begin
    return load


def pictures(count: int = 16) -> list[bytes]:
    """640x480 JPEGs with one face each, all different."""
    photo = Image.open(PHOTO).convert("RGB")
    rng = np.random.default_rng(0)
    out = []
    for _ in range(count):
        left, top = (int(v) for v in rng.integers(0, 60, 2))
        file = io.BytesIO()
        photo.crop((left, top, left + 420, top + 315)).resize((640, 480)).save(file, "JPEG")
        out.append(file.getvalue())
    return out


def sizing(model_name: str | None, seconds: float = ROUND) -> list[str]:
    """What 640x480 photos of one face take, by the number of clients that never pause."""
    bodies = [request("/v1/analyze", photo, "image/jpeg") for photo in pictures()]
    lines = [
        "| clients | requests/s | p50, ms | p99, ms | memory, MB |",
        "| --- | --- | --- | --- | --- |",
    ]
    for clients in (1, 8, 32):
        with Service(model_name) as service:
            asyncio.run(burst(service, bodies, clients=clients, count=clients, seconds=ROUND))
            got = asyncio.run(burst(service, bodies, clients=clients, seconds=seconds))
            memory = service.memory()
        lines.append(
            f"| {clients} | {got.rate():.0f} | {got.percentile(0.5):.0f} | "
            f"{got.percentile(0.99):.0f} | {memory:.0f} |"
        )
    return lines


def compare(model_name: str | None, clients: int, rounds: int) -> list[str]:
    model = load(model_name)
    photos = pictures()
    image = np.asarray(Image.open(PHOTO).convert("RGB"))
    crop = crop_face(image, model.detector.detect(image)[0])
    jpegs = [request("/v1/analyze", photo, "image/jpeg") for photo in photos]
    faces = [request("/v1/classify", crop.tobytes(), "application/octet-stream")]
    rates: dict[str, list[float]] = {}

    def note(name: str, rate: float) -> None:
        rates.setdefault(name, []).append(rate)

    shared, alone = Service(model_name), Service(model_name, batching=False)
    with shared, alone:
        ways = [("batched", shared), ("alone", alone)]
        for _ in range(rounds):  # interleaved and in turns, so that a slow minute hits all alike
            ways.reverse()
            begin, done = time.perf_counter(), 0
            while time.perf_counter() - begin < ROUND:
                done += sum(1 for _ in model.analyze_many(photos * 4))
            note("analyze in process", done / (time.perf_counter() - begin))
            for name, service in ways:
                for path, bodies in (("analyze", jpegs), ("classify", faces)):
                    got = asyncio.run(burst(service, bodies, clients=clients, seconds=ROUND))
                    note(f"{path} {name}", got.rate())
                    one = asyncio.run(burst(service, bodies, clients=1, seconds=ROUND / 3))
                    note(f"{path} {name} 1", one.rate())
    middle = {name: statistics.median(values) for name, values in rates.items()}
    lines = [
        f"| endpoint, {clients} clients | requests/s | of in-process | batched : not batched |",
        "| --- | --- | --- | --- |",
        f"| `analyze_many` in process | {middle['analyze in process']:.1f} | 1 | |",
    ]
    for path in ("analyze", "classify"):
        ratio = statistics.median(
            a / b for a, b in zip(rates[f"{path} batched"], rates[f"{path} alone"], strict=True)
        )
        one = statistics.median(
            a / b for a, b in zip(rates[f"{path} batched 1"], rates[f"{path} alone 1"], strict=True)
        )
        of = ""
        if path == "analyze":
            both = zip(rates["analyze batched"], rates["analyze in process"], strict=True)
            of = f"{statistics.median(a / b for a, b in both):.2f}"
        lines.append(f"| `/v1/{path}` | {middle[f'{path} batched']:.1f} | {of} | {ratio:.2f} |")
        lines.append(
            f"| `/v1/{path}`, 1 client | {middle[f'{path} batched 1']:.1f} | | {one:.2f} |"
        )
    return lines


def endure(model_name: str | None, clients: int, count: int) -> list[str]:
    bodies = [request("/v1/analyze", photo, "image/jpeg") for photo in _small(pictures())]
    with Service(model_name) as service:
        warm = min(count, 20 * clients)
        asyncio.run(burst(service, bodies, clients=clients, count=warm, seconds=LIMIT))
        time.sleep(REST)
        before = service.memory()
        got = asyncio.run(
            burst(service, bodies, clients=clients, count=count, seconds=LIMIT, window=count // 8)
        )
        time.sleep(REST)
        after = service.memory()
    lines = ["| requests so far | p99 of the last eighth, ms | memory, MB |", "| --- | --- | --- |"]
    lines += [f"| {n:,} | {p99:.0f} | {memory:.0f} |" for n, p99, memory in got.marks]
    answers = ", ".join(f"{n:,} with {status}" for status, n in sorted(got.statuses.items()))
    failed = sum(n for status, n in got.statuses.items() if status >= 500 and status != 503)
    change = after / before - 1
    held = failed == 0 and abs(change) <= 0.1
    return [
        *lines,
        "",
        f"{answers}; p50 {got.percentile(0.5):.0f} ms, {got.rate():.0f} a second.",
        f"{failed} with 5xx but 503; memory {before:.0f} MB before, {after:.0f} MB after "
        f"({change:+.1%}): {'held' if held else 'NOT held'}.",
    ]


def _small(photos: list[bytes]) -> list[bytes]:
    out = []
    for photo in photos:
        file = io.BytesIO()
        Image.open(io.BytesIO(photo)).resize((192, 144)).save(file, "JPEG")
        out.append(file.getvalue())
    return out


def overload(model_name: str | None) -> list[str]:
    bodies = [request("/v1/analyze", photo, "image/jpeg") for photo in pictures(4)]
    with Service(model_name, limits={"requests": 8}) as service:
        got = asyncio.run(burst(service, bodies, clients=64, seconds=ROUND))
        after = asyncio.run(burst(service, bodies, clients=1, count=20, seconds=ROUND))
    return [
        "| clients | places | answered 200 | answered 503 | other | then, 1 client |",
        "| --- | --- | --- | --- | --- | --- |",
        f"| 64 | 8 | {got.statuses[200]} | {got.statuses[503]} | "
        f"{sum(got.statuses.values()) - got.statuses[200] - got.statuses[503]} | "
        f"{after.statuses[200]} of {sum(after.statuses.values())} with 200 |",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=None)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["sizing", "compare", "endure", "overload"], default=None)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores, shared by service and clients; {SIDE}x{SIDE} crops.\n")
    parts = {
        "sizing": lambda: sizing(given.model),
        "compare": lambda: compare(given.model, given.clients, given.rounds),
        "endure": lambda: endure(given.model, given.clients, given.requests),
        "overload": lambda: overload(given.model),
    }
    for name, part in parts.items():
        if given.only in (None, name):
            print("\n".join(part()), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
