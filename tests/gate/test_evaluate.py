from __future__ import annotations

from datetime import timedelta
from itertools import product

import numpy as np
import pytest

from holdfast.errors import SpecError
from holdfast.gate.evaluate import evaluate, overall
from holdfast.gate.evidence import Behaviour
from holdfast.records import Check, Verdict
from holdfast.spec import Gate

FULL = Gate(
    metric="roc_auc", min=0.6, margin=0.02, slices=("origin",), behaviour="tests/behaviour",
    max_latency_p99=timedelta(milliseconds=20), max_size="10MiB",
)  # fmt: skip


def whole(make, **given):
    n = 1500
    return make(
        n=n, latency_p99=0.004, size=1000, breaches=(), slices={"origin": np.arange(n) % 3},
        behaviours=(Behaviour("test_a", True),), **given,
    )  # fmt: skip


def test_every_check_in_a_fixed_order(make, now):
    verdict = evaluate(whole(make), FULL, seed=1, now=now, id="ver-1", resamples=60)
    assert [check.name for check in verdict.checks] == [
        "contract", "metric.min", "champion", "slices", "latency", "size", "behaviour",
    ]  # fmt: skip
    assert verdict.outcome == "pass"
    assert verdict.sentence == "all 7 checks passed"
    assert (verdict.id, verdict.model, verdict.version, verdict.champion) == (
        "ver-1", "delay", 4, 3,
    )  # fmt: skip
    assert verdict.rows == 1500
    assert verdict.created_at == now


def test_the_same_seed_gives_the_same_bytes(make, now):
    once, again = (
        evaluate(whole(make), FULL, seed=9, now=now, id="ver-1", resamples=60) for _ in range(2)
    )
    assert once.to_json() == again.to_json()
    assert Verdict.from_json(once.to_json()) == once


def test_a_first_version_is_judged_on_its_own(make, now):
    evidence = whole(make, champion=None, champion_score=None)
    verdict = evaluate(evidence, FULL, seed=1, now=now, id="ver-1", resamples=60)
    names = [check.name for check in verdict.checks]
    assert "champion" not in names
    assert "slices" not in names
    assert verdict.outcome == "pass"


def test_one_failing_check_fails_the_verdict_and_speaks_for_it(make, now):
    evidence = whole(make, worse=0.3)
    verdict = evaluate(evidence, FULL, seed=1, now=now, id="ver-1", resamples=60)
    assert verdict.outcome == "fail"
    assert "roc_auc" in verdict.sentence


def test_answers_that_cannot_be_scored_do_not_stop_the_other_checks(make, now):
    evidence = whole(make, score=np.full(1500, np.nan))
    verdict = evaluate(evidence, FULL, seed=1, now=now, id="ver-1", resamples=60)
    found = {check.name: check.outcome for check in verdict.checks}
    assert verdict.outcome == "fail"
    assert found["metric.min"] == "fail"
    assert found["champion"] == found["slices"] == "inconclusive"
    assert found["latency"] == "pass"


def test_alpha_of_one_half_is_refused(make, now):
    with pytest.raises(SpecError, match="alpha"):
        evaluate(make(), Gate(metric="roc_auc", alpha=0.5), seed=1, now=now, id="ver-1")


@pytest.mark.parametrize("outcomes", list(product(("pass", "fail", "inconclusive"), repeat=2)))
def test_overall(outcomes):
    checks = [Check(name="x", outcome=outcome, sentence="") for outcome in outcomes]
    found = overall(checks)
    assert (found == "fail") == ("fail" in outcomes)
    assert (found == "pass") == (set(outcomes) == {"pass"})
