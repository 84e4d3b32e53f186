from __future__ import annotations

import pytest

from holdfast.gate.behaviour import check_behaviour
from holdfast.gate.evidence import Behaviour
from holdfast.spec import Gate

POLICY = Gate(metric="roc_auc", behaviour="tests/behaviour")


def test_all_passed(make):
    check = check_behaviour(make(behaviours=(Behaviour("test_a", True),)), POLICY)
    assert (check.outcome, check.sentence) == ("pass", "1 behavioural check passed")


def test_one_failed(make):
    checks = (Behaviour("test_a", True), Behaviour("test_b", False, "risk fell\nby 0.2"))
    check = check_behaviour(make(behaviours=checks), POLICY)
    assert check.outcome == "fail"
    assert check.sentence == ("1 of 2 behavioural checks failed: test_b (risk fell by 0.2)")
    assert check.detail[1]["message"] == "risk fell\nby 0.2"


@pytest.mark.parametrize(("checks", "why"), [(None, "not run"), ((), "in tests/behaviour")])
def test_nothing_shown_is_inconclusive(make, checks, why):
    check = check_behaviour(make(behaviours=checks), POLICY)
    assert check.outcome == "inconclusive"
    assert why in check.sentence


def test_not_asked_for(make):
    assert check_behaviour(make(behaviours=()), Gate(metric="roc_auc")) is None
