from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np

from holdfast.gate.evidence import Span
from holdfast.gate.overlap import check_overlap

START = datetime(2026, 1, 1, tzinfo=UTC)
TIME = np.datetime64("2026-02-01") + np.arange(10).astype("timedelta64[D]")


def until(day):
    return Span(START, datetime(2026, 2, day, tzinfo=UTC))


def test_rows_after_training_only(make):
    # The boundary's own row, on the first of February, belongs to the test.
    check = check_overlap(make(n=10, time=TIME, trained=until(1), champion_trained=until(1)))
    assert check.outcome == "pass"
    assert check.sentence == "none of 10 held-out rows was seen in training"


def test_rows_the_champion_has_seen_are_stated(make):
    check = check_overlap(make(n=10, time=TIME, trained=until(1), champion_trained=until(4)))
    assert check.outcome == "pass"
    assert check.sentence == (
        "3 of 10 held-out rows lie in the training span of version 3: the comparison favours that "
        "version"
    )


def test_rows_the_candidate_has_seen_prove_nothing(make):
    check = check_overlap(make(n=10, time=TIME, trained=until(6)))
    assert check.outcome == "inconclusive"
    assert check.value == 5
    assert "5 of 10 held-out rows lie in the training span of version 4 itself" in check.sentence


def test_spans_in_another_time_zone(make):
    east = timezone(timedelta(hours=5))
    span = Span(START, datetime(2026, 2, 4, 5, tzinfo=east))
    assert check_overlap(make(n=10, time=TIME, trained=span)).value == 3


def test_times_not_known(make):
    assert check_overlap(make(trained=until(1))) is None
    assert check_overlap(make(n=10, time=TIME)) is None
