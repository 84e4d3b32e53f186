"""``/metrics`` of the control plane: how far recording is, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.loop.container import Container
from holdfast.loop.recorders import RecorderState, recorder_state


class RecorderCollector(Collector):
    """Measures recording anew each time it is asked."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def describe(self) -> Iterable[Metric]:
        """Nothing: to know the names nothing has to be measured."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """One family for each number of :class:`~holdfast.loop.recorders.RecorderState`."""
        state = recorder_state(self._container)
        for name, text, value in _gauges(state):
            yield GaugeMetricFamily(f"holdfast_{name}", text, value=value)
        for name, text, value in _counters(state):
            yield CounterMetricFamily(f"holdfast_{name}", text, value=value)


def make_metrics(container: Container) -> APIRouter:
    """The route."""
    registry = CollectorRegistry()
    registry.register(RecorderCollector(container))
    router = APIRouter()

    @router.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _gauges(state: RecorderState) -> Iterator[tuple[str, str, float]]:
    yield "recorder_lag_bytes", "Bytes of the spool that are not in the log yet", state.lag_bytes
    yield "recorder_lag_records", "Requests that are not in the log yet, about", state.lag_records
    yield "recorder_lag_seconds", "Age of the oldest of them", state.lag_seconds
    yield "recorder_spool_bytes", "Bytes in the spools of this home", state.spool_bytes
    yield "recorder_unreadable_segments", "Segments that cannot be read", state.unreadable
    yield "recorder_failing", "1 while the recorder's attempts fail", bool(state.problem)


def _counters(state: RecorderState) -> Iterator[tuple[str, str, float]]:
    yield "recorder_rows", "Rows recorded", state.rows
    yield "recorder_damaged", "Damaged stretches of the spool passed over", state.damaged
    yield (
        "recorder_torn_bytes",
        "Bytes of records that a dying server left undone",
        state.torn_bytes,
    )
