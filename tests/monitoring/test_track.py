"""The record of past estimates, held against the labels that came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.monitoring.estimate import Estimate
from holdfast.monitoring.quality import Cohort
from holdfast.monitoring.track import Track, track

START = datetime(2026, 1, 1, tzinfo=UTC)
STARTS = [START + timedelta(days=k) for k in range(5)]


def test_only_blocks_with_an_estimate_and_their_labels_count() -> None:
    estimates = [
        Estimate(rows=100, value=0.2, low=0.1, high=0.3),
        Estimate(rows=100, value=0.2, low=0.1, high=0.3),
        Estimate(rows=100, reason="cannot say"),
        Estimate(rows=100, value=0.2, low=0.1, high=0.3),
        Estimate(rows=100, value=0.2, low=0.1, high=0.3),
    ]
    cohorts = [
        Cohort(STARTS[0], rows=100, labelled=95, loss=0.25),
        Cohort(STARTS[1], rows=100, labelled=100, loss=0.4),
        Cohort(STARTS[2], rows=100, labelled=100, loss=0.4),
        Cohort(STARTS[3], rows=100, labelled=50, loss=0.9),
        Cohort(STARTS[4], rows=20, labelled=20, loss=0.9),
    ]
    found = track("adapted", estimates, STARTS, cohorts)
    assert (found.estimate, found.blocks, found.held) == ("adapted", 2, 1)
    assert found.bias == pytest.approx(-0.125)
    assert found.error == pytest.approx(0.125)


def test_without_labels_there_is_no_record_yet() -> None:
    assert track("calibrated", [Estimate(rows=0)] * 5, STARTS, []) == Track("calibrated", 0, 0)
