"""``/metrics``: what the service does, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from mien.web.analyst import Analyst
    from mien.web.gate import Gate

CONTENT_TYPE = CONTENT_TYPE_LATEST
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = frozenset(("GET", "HEAD", "POST", "OPTIONS"))


class Metrics(Collector):
    """Counts of one service; names begin with ``mien_``, but for those of the process.

    Args:
        analyst: who does the work.
        gate: who admits it.
    """

    routes: frozenset[str] = frozenset()
    """Paths that have a label of their own; all others are "other": no client can make labels."""

    def __init__(self, analyst: Analyst, gate: Gate) -> None:
        self.analyst = analyst
        self.gate = gate
        self.connections: Callable[[], int] | None = None
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "mien_requests", "Requests answered.", ["method", "path", "status"],
            registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "mien_request_seconds", "From a request's head to the end of its answer.", ["path"],
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.frames = Counter(
            "mien_stream_frames", "Frames of streams, by what became of them.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self.registry.register(self)

    def saw(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count one request."""
        path = path if path in self.routes else "other"
        method = method if method in _METHODS else "other"
        self._requests.labels(method, path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Current values of gauges that others keep."""
        counts, gate, analyst = self.analyst.counts, self.gate, self.analyst
        for name, told, value in (
            ("mien_pictures", "Pictures decoded and searched.", counts.pictures),
            ("mien_faces", "Faces found and scored.", counts.faces),
            ("mien_crops", "Crops scored, those of faces too.", counts.crops),
            ("mien_model_runs", "Runs of the model's graph.", analyst.batcher.runs),
        ):
            yield CounterMetricFamily(name, told, value)
        connections = self.connections() if self.connections else 0
        for name, told, number in (
            ("mien_requests_in_progress", "Requests that hold a place.", gate.requests),
            ("mien_queue_jobs", "Pieces of work that wait for a thread.", analyst.pool.waiting),
            ("mien_held_bytes", "Bytes of bodies and unsent answers.", gate.held),
            ("mien_streams", "Open streams.", gate.streams),
            ("mien_connections", "Open HTTP connections.", connections),
            ("mien_ready", "1 where a request would be taken now.", analyst.ready and gate.open),
        ):
            yield GaugeMetricFamily(name, told, float(number))

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)
