from __future__ import annotations

import asyncio
import threading
import urllib.request
from typing import Any

import pytest

from holdfast.serving.metrics import Metrics
from holdfast.serving.metrics_port import MetricsPort


def test_metrics_have_a_port_of_their_own(toys: Any) -> None:
    metrics = Metrics()
    metrics.request("toy", 3, "v2", 200, 0.0004)
    metrics.rows("toy", 3, 7)
    port = MetricsPort(metrics.registry, host="127.0.0.1", port=0)
    try:
        with urllib.request.urlopen(port.url, timeout=5) as response:
            text = response.read().decode()
    finally:
        port.close()
    labels = 'code="200",contract="v2",model="toy",version="3"'
    assert f"holdfast_requests_total{{{labels}}} 1.0" in text
    assert 'holdfast_rows_total{model="toy",version="3"} 7.0' in text
    assert 'holdfast_request_seconds_bucket{contract="v2",le="0.0005",model="toy"} 1.0' in text


def test_registries_are_apart() -> None:
    one, two = Metrics(), Metrics()
    one.spool_lost.inc()
    assert two.registry.get_sample_value("holdfast_spool_lost_total") == 0


def test_notes_are_counted_without_anybody_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()

    async def wait() -> None:
        settled, settle = asyncio.Event(), metrics.settle

        def watched() -> None:
            settle()
            settled.set()

        monkeypatch.setattr(metrics, "settle", watched)
        metrics.request("toy", 3, "v2", 200, 0.5)
        metrics.request("toy", 3, "v2", 200, 0.5)
        async with asyncio.timeout(10):
            await settled.wait()

    asyncio.run(wait())
    labels = {"model": "toy", "contract": "v2"}
    assert metrics.registry.get_sample_value("holdfast_request_seconds_sum", labels) == 1.0


def test_each_note_is_counted_once_however_many_look() -> None:
    metrics = Metrics()
    labels = {"model": "toy", "version": "1"}

    def look() -> None:
        for _ in range(50):
            metrics.registry.get_sample_value("holdfast_rows_total", labels)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(2000):
        metrics.rows("toy", 1, 1)
    for thread in threads:
        thread.join()
    assert metrics.registry.get_sample_value("holdfast_rows_total", labels) == 2000
