from __future__ import annotations

from datetime import timedelta

import pytest

from holdfast.gate.latency import check_latency
from holdfast.spec import Gate

LIMITS = Gate(metric="roc_auc", max_latency_p99=timedelta(milliseconds=20))


@pytest.mark.parametrize(
    ("seconds", "outcome", "said"),
    [(0.0123, "pass", "12.3 ms"), (0.02, "pass", "20 ms"), (0.0456, "fail", "45.6 ms")],
)
def test_latency(make, seconds, outcome, said):
    check = check_latency(make(latency_p99=seconds), LIMITS)
    assert check.outcome == outcome
    assert check.sentence == (
        f"a one-row prediction takes {said} at the 99th percentile; at most 20 ms is allowed"
    )


def test_not_measured_is_inconclusive(make):
    assert check_latency(make(), LIMITS).outcome == "inconclusive"


def test_no_limit_no_check(make):
    assert check_latency(make(latency_p99=1.0), Gate(metric="roc_auc")) is None
