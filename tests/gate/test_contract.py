from __future__ import annotations

import pytest

from holdfast.gate.contract import check_contract
from holdfast.records import Breach

HARD = Breach(column="age", rule="unit", hard=True, sentence="age is 12 times greater")
SOFT = Breach(column="city", rule="unseen", hard=False, sentence="2 % of city is new")


@pytest.mark.parametrize(
    ("breaches", "outcome", "sentence"),
    [
        ((), "pass", "the data keeps its contract"),
        ((SOFT,), "pass", "the data keeps its contract, but: 2 % of city is new"),
        ((SOFT, HARD), "fail", "the data breaks its contract: age is 12 times greater"),
        (
            (HARD, HARD),
            "fail",
            "the data breaks its contract: age is 12 times greater; 2 hard breaches in all",
        ),
    ],
)
def test_breaches(make, breaches, outcome, sentence):
    check = check_contract(make(breaches=breaches))
    assert (check.outcome, check.sentence) == (outcome, sentence)
    assert len(check.detail) == len(breaches)


def test_not_checked(make):
    assert check_contract(make()) is None
