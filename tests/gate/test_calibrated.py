from __future__ import annotations

import numpy as np
import pytest

from holdfast.gate.calibrated import check_calibration
from holdfast.spec import Gate
from holdfast.testing import worlds

POLICY = Gate(metric="accuracy", max_calibration_error=0.05)


@pytest.mark.parametrize(
    ("error", "rows", "outcome"),
    [(0.0, 5000, "pass"), (0.15, 5000, "fail"), (0.05, 5000, "inconclusive"),
     (0.0, 200, "inconclusive"), (0.0, 30, "inconclusive")],
)  # fmt: skip
def test_three_answers(error, rows, outcome):
    check = check_calibration(worlds.miscalibrated(np.random.default_rng(2), rows, error), POLICY)
    assert check.outcome == outcome
    if rows >= 200:
        assert check.low <= check.value <= check.high
    if rows == 200:
        assert check.required > 200


def test_of_many_classes_the_answered_one_counts(make):
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 3000)
    sure = np.eye(3)[random.integers(0, 3, 3000)] * 0.88 + 0.04
    evidence = make(
        n=3000, task="multiclass", classes=(0, 1, 2), truth=truth, score=sure, champion=None,
        champion_score=None,
    )  # fmt: skip
    check = check_calibration(evidence, POLICY)
    assert check.outcome == "fail"
    assert check.value == pytest.approx(0.92 - 1 / 3, abs=0.05)


def test_only_when_asked_for(make):
    assert check_calibration(make(), Gate(metric="accuracy")) is None
