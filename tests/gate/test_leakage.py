from __future__ import annotations

from holdfast.gate.evidence import Alone
from holdfast.gate.leakage import check_leakage
from holdfast.spec import Gate

HONEST, LEAK = Alone("size", 0.3, 0.01), Alone("outcome_code", 0.99, 0.001)


def test_a_feature_that_knows_the_answer_stops_the_verdict(make):
    check = check_leakage(make(alone=(HONEST, LEAK)), Gate(metric="roc_auc"))
    assert check.outcome == "inconclusive"
    assert "'outcome_code' alone explains 0.99" in check.sentence
    assert check.detail[0]["feature"] == "outcome_code"


def test_unless_somebody_has_looked(make):
    policy = Gate(metric="roc_auc", known=("outcome_code",))
    assert check_leakage(make(alone=(HONEST, LEAK)), policy).outcome == "pass"


def test_doubt_is_no_suspicion(make):
    unsure = Alone("rare", 0.95, 0.05)
    check = check_leakage(make(alone=(HONEST, unsure)), Gate(metric="roc_auc"))
    assert check.outcome == "pass"
    assert check.low < 0.9 < check.value


def test_not_measured(make):
    assert check_leakage(make(), Gate(metric="roc_auc")) is None
