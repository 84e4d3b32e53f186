from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import GateError
from holdfast.gate.fairness import check_fairness
from holdfast.spec import Fairness, Gate

RIGHT = np.arange(1200) % 2


def policy(measure="selection_rate", max_gap=0.1):
    return Gate(
        metric="accuracy", fairness=(Fairness(column="sex", measure=measure, max_gap=max_gap),)
    )


def judged(make, score, groups, *args, truth=RIGHT, **given):
    evidence = make(
        n=len(groups), truth=truth, score=score, champion=None, champion_score=None,
        groups={"sex": groups}, **given,
    )  # fmt: skip
    return check_fairness(evidence, policy(*args))[0]


HALVES = np.where(np.arange(1200) < 600, "a", "b")


@pytest.mark.parametrize(
    ("measure", "outcome"),
    [("selection_rate", "pass"), ("accuracy", "fail"), ("true_positive_rate", "fail"),
     ("false_positive_rate", "fail"), ("loss", "fail")],
)  # fmt: skip
def test_each_measure_sees_what_it_is_for(make, measure, outcome):
    # Both groups are answered positive in half of the rows; one always right, the other at random.
    luck = np.random.default_rng(3).permutation(RIGHT[:600])
    score = np.concatenate([RIGHT[:600], luck]).astype(float)
    check = judged(make, score, HALVES, measure)
    assert (check.name, check.outcome) == (f"fairness.sex.{measure}", outcome)
    assert check.low <= check.value <= check.high
    assert "sex=a" in check.sentence
    assert "sex=b" in check.sentence


def test_between_the_lines_it_is_inconclusive_and_says_how_many_rows_decide(make):
    score = np.concatenate([np.arange(600) % 2, np.arange(600) % 5 < 2]).astype(float)
    check = judged(make, score, HALVES, "selection_rate", 0.12)
    assert check.outcome == "inconclusive"
    assert check.required > 1200
    assert "rows would decide" in check.sentence


def test_small_groups_are_named_and_never_pass_alone(make):
    few = np.where(np.arange(1200) < 1150, "a", "b")
    check = judged(make, RIGHT.astype(float), few)
    assert check.outcome == "inconclusive"
    assert check.required == 2400
    three = np.where(np.arange(1200) < 50, None, HALVES)
    assert "1 group under 100 rows" in judged(make, RIGHT.astype(float), three).sentence


def test_answers_that_cannot_be_scored_are_no_pass(make):
    assert judged(make, np.full(1200, np.nan), HALVES).outcome == "inconclusive"


def test_a_column_that_was_not_given(make):
    with pytest.raises(GateError, match="sex"):
        check_fairness(make(), policy())
