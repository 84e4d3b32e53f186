from __future__ import annotations

import urllib.request
from typing import Any

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
