from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import GateError, SpecError
from holdfast.gate.floor import check_floor
from holdfast.spec import Gate


def accuracy_of(make, share, n, **given):
    truth = np.arange(n) % 2
    right = np.arange(n) < round(share * n)
    score = np.where(right, truth, 1 - truth) * 0.8 + 0.1
    return make(truth=truth, score=score, champion=None, champion_score=None, **given)


@pytest.mark.parametrize(
    ("share", "n", "outcome"),
    [
        (0.9, 400, "pass"),
        (0.7, 400, "fail"),
        (0.82, 100, "inconclusive"),
        (0.9, 10, "inconclusive"),
    ],
)
def test_outcomes_around_the_floor(make, share, n, outcome):
    check = check_floor(accuracy_of(make, share, n), Gate(metric="accuracy", min=0.8), seed=1)
    assert check.outcome == outcome
    assert check.value == pytest.approx(share)
    assert check.low < check.value < check.high
    assert check.threshold == 0.8
    assert (check.required is not None) == (outcome == "inconclusive")
    assert check.required is None or check.required > n


def test_the_sentence_has_the_numbers(make):
    check = check_floor(accuracy_of(make, 0.9, 400), Gate(metric="accuracy", min=0.8), seed=1)
    assert check.sentence == (
        "accuracy is 0.900 on 400 rows (95 % bounds 0.874 to 0.925); at least 0.800 is required"
    )


def test_the_rows_it_asks_for_would_decide(make):
    policy = Gate(metric="accuracy", min=0.8)
    first = check_floor(accuracy_of(make, 0.85, 100), policy, seed=1)
    again = check_floor(accuracy_of(make, 0.85, first.required), policy, seed=1)
    assert again.outcome == "pass"


def test_without_a_floor_the_interval_is_still_said(make):
    check = check_floor(accuracy_of(make, 0.9, 400), Gate(metric="accuracy"), seed=1)
    assert check.outcome == "pass"
    assert check.sentence.endswith("bounds 0.874 to 0.925); no floor is set")


def test_exactly_at_the_floor_no_number_of_rows_tells(make):
    check = check_floor(accuracy_of(make, 0.8, 100), Gate(metric="accuracy", min=0.8), seed=1)
    assert check.outcome == "inconclusive"
    assert check.required is None
    assert "too close to that line" in check.sentence


def test_one_class_is_inconclusive(make):
    evidence = make(n=40, truth=np.zeros(40, dtype=int))
    check = check_floor(evidence, Gate(metric="roc_auc", min=0.5), seed=1)
    assert check.outcome == "inconclusive"
    assert "all 40 labels are the same" in check.sentence


def test_answers_that_are_no_numbers_fail(make):
    score = np.full(400, 0.5)
    score[7] = np.nan
    check = check_floor(make(score=score), Gate(metric="roc_auc"), seed=1)
    assert check.outcome == "fail"
    assert "1 of 400 scores are not finite numbers" in check.sentence


def test_missing_labels_are_an_error_of_the_evidence(make):
    truth = np.array([0.0, 1.0, np.nan, 1.0])
    evidence = make(n=4, truth=truth)
    with pytest.raises(GateError, match="labels are missing"):
        check_floor(evidence, Gate(metric="accuracy"), seed=1)


def test_a_metric_of_another_task(make):
    with pytest.raises(SpecError, match="'r2' is not for binary"):
        check_floor(make(), Gate(metric="r2"), seed=1)
