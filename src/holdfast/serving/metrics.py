"""Prometheus metrics of one server, in a registry."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.multiprocess import MultiProcessCollector

_BUCKETS = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip
_SETTLE_SECONDS = 0.2

# Model, version, contract and status with the seconds of a request; without contract, rows.
_Note = tuple[str, int, str, int, float]


class Metrics:
    """What the data plane counts.

    A request only leaves a note. Notes are counted when somebody looks, and a few times a second
    while the event loop runs: that costs a tenth of six counters in the middle of a request.
    """

    def __init__(self) -> None:
        registry = self.registry = _Registry(self.settle)
        self._notes: deque[_Note] = deque()
        self._timed = False
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        self._requests = counter(
            "holdfast_requests",
            "Scoring requests answered",
            ("model", "version", "contract", "code"),
        )
        self._seconds = Histogram(
            "holdfast_request_seconds",
            "From the head of a request to its answer",
            ("model", "contract"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._rows = counter("holdfast_rows", "Rows answered", ("model", "version"))
        self._in_flight = gauge(
            "holdfast_in_flight", "Requests being answered", multiprocess_mode="sum"
        )
        self._refused = counter(
            "holdfast_refused",
            "Requests and connections ended before a model saw them: load, deadlines, no HTTP",
            ("reason",),
        )
        self.shadow_dropped = counter(
            "holdfast_shadow_dropped",
            "Requests that no shadow scored, because it was too slow",
            ("model",),
        )
        self.shadow_failed = counter(
            "holdfast_shadow_failed",
            "Requests that a shadow failed to score",
            ("model", "version"),
        )
        self.spool_lost = counter("holdfast_spool_lost", "Requests that could not be recorded")
        self._spool_bytes = gauge(
            "holdfast_spool_bytes",
            "Bytes in the spool, of all writers of this server",
            multiprocess_mode="max",
        )
        self._spool_healthy = gauge(
            "holdfast_spool_healthy",
            "1 while predictions can be recorded, else 0",
            multiprocess_mode="min",
        )
        self._models(counter, gauge)
        self._under_way: Callable[[], int] = lambda: 0
        self.settle()

    def _models(self, counter: Callable[..., Counter], gauge: Callable[..., Gauge]) -> None:
        self.route_epoch = gauge(
            "holdfast_route_epoch",
            "Epoch of the route being served",
            ("model",),
            multiprocess_mode="min",
        )
        self.loads = counter("holdfast_model_loads", "Versions loaded", ("model",))
        self.load_failed = counter(
            "holdfast_model_load_failed",
            "Versions that could not be loaded, by the code of the error",
            ("model", "reason"),
        )
        self.evictions = counter(
            "holdfast_model_evictions",
            "Models that left memory to make room for others",
            ("model",),
        )
        self.models_loaded = gauge(
            "holdfast_models_loaded", "Models in memory", multiprocess_mode="livesum"
        )
        self.models_bytes = gauge(
            "holdfast_models_bytes",
            "Bytes that the models in memory take",
            multiprocess_mode="livesum",
        )

    def request(self, model: str, version: int, contract: str, code: int, seconds: float) -> None:
        """Notes one scoring request. ``model`` must be a name of ours, never the caller's."""
        self._notes.append((model, version, contract, code, seconds))
        self.look()

    def watch(self, under_way: Callable[[], int]) -> None:
        """Shows as many requests in flight as ``under_way`` says whenever notes are counted."""
        self._under_way = under_way

    def look(self) -> None:
        """Sees to it that notes are counted soon."""
        if not self._timed:
            self._settle_soon()

    def spool(self, used: int, healthy: bool) -> None:  # noqa: FBT001 (a callback)
        """Shows the spool as it is now."""
        self._spool_bytes.set(used)
        self._spool_healthy.set(healthy)

    def refused(self, reason: str) -> None:
        """Counts what was ended early; see ``docs/operations.md`` for the reasons."""
        self._refused.labels(reason).inc()

    def rows(self, model: str, version: int, rows: int) -> None:
        """Notes rows answered."""
        self._notes.append((model, version, "", 0, rows))

    def _settle_soon(self) -> None:
        """In a worker the notes must reach the file that the parent reads."""
        try:
            asyncio.get_running_loop().call_later(_SETTLE_SECONDS, self._settle_now)
        except RuntimeError:
            return  # no loop: they are counted when somebody looks
        self._timed = True

    def _settle_now(self) -> None:
        self._timed = False
        self.settle()

    def settle(self) -> None:
        """Counts what was noted. Safe in any thread: each note is taken once."""
        self._in_flight.set(self._under_way())
        counts: defaultdict[tuple[str, int, str, int], float] = defaultdict(float)
        seconds: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        while True:
            try:
                model, version, contract, code, number = self._notes.popleft()
            except IndexError:
                break
            if contract:
                counts[model, version, contract, code] += 1
                seconds[model, contract].append(number)
            else:
                counts[model, version, "", 0] += number
        for labels, taken in seconds.items():
            observe = self._seconds.labels(*labels).observe
            for number in taken:
                observe(number)
        for (model, version, contract, code), count in counts.items():
            if contract:
                label = str(version or "")
                self._requests.labels(model, label, contract, str(code)).inc(count)
            else:
                self._rows.labels(model, str(version)).inc(count)


class _Registry(CollectorRegistry):
    """A registry that is up to date whenever it is read."""

    def __init__(self, settle: Callable[[], None]) -> None:
        super().__init__()
        self._settle = settle

    def collect(self) -> Iterator[Metric]:
        """As of the base class."""
        self._settle()
        return iter(super().collect())


def use_slot(slot: int) -> None:
    """Lets this process count in files of its slot, so that the parent can add up its workers.

    Call before :class:`Metrics` is made, with ``PROMETHEUS_MULTIPROC_DIR`` set. Files are per
    slot, not per process: a worker that is started again goes on counting where it died.
    """
    prometheus_client.values.ValueClass = prometheus_client.values.MultiProcessValue(  # type: ignore[no-untyped-call]
        process_identifier=lambda: slot
    )


def workers_registry(folder: Path) -> CollectorRegistry:
    """The sum over all workers that count in ``folder``."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    return registry
