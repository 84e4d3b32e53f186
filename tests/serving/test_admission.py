from __future__ import annotations

import time

import pytest

from holdfast.errors import UnavailableError
from holdfast.serving.admission import Admission
from holdfast.serving.limits import Limits
from holdfast.serving.metrics import Metrics


def make(**limits: float) -> tuple[Admission, Metrics]:
    metrics = Metrics()
    return Admission(Limits(**limits), metrics), metrics  # type: ignore[arg-type]


def refused(metrics: Metrics, reason: str) -> float | None:
    return metrics.registry.get_sample_value("holdfast_refused_total", {"reason": reason})


def test_places_are_given_back() -> None:
    admission, metrics = make(in_flight=2)
    admission.enter()
    admission.enter()
    with pytest.raises(UnavailableError, match="too many requests"):
        admission.enter()
    assert refused(metrics, "in_flight") == 1
    admission.leave()
    admission.enter()
    assert admission.in_flight == 2
    assert metrics.registry.get_sample_value("holdfast_in_flight") == 2


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (None, 2.0), (b"250", 0.25), (b"60000", 60.0), (b"0", 0.0), (b"-1", 2.0), (b"soon", 2.0),
        (b"9" * 50, 2.0), (b"\xb2", 2.0), (b"", 2.0),
    ],
)  # fmt: skip
def test_the_caller_may_say_how_long_he_waits(asked: bytes | None, seconds: float) -> None:
    admission, _ = make(deadline_seconds=2.0)
    assert admission.deadline(100.0, asked) == 100.0 + seconds


def test_what_is_late_is_not_scored() -> None:
    admission, metrics = make()
    admission.check(time.monotonic() + 60)
    with pytest.raises(UnavailableError, match="waited too long"):
        admission.check(time.monotonic() - 0.001)
    assert refused(metrics, "late") == 1


def test_large_bodies_share_one_bound() -> None:
    admission, metrics = make(bodies=100)
    admission.hold(60)
    with pytest.raises(UnavailableError, match="large requests"):
        admission.hold(41)
    admission.hold(40)
    admission.release(100)
    admission.hold(100)
    assert refused(metrics, "bodies") == 1
