from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import GateError
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.slices import Slice, check_slices, holm
from holdfast.spec import Gate

POLICY = Gate(metric="roc_auc", slices=("origin",), slice_margin=0.01)


def sliced(seed=1, n=4000, bad="", by=0.0, origins=12):
    """Equal but for noise, and on the slice ``bad`` worse by ``by`` in bounded loss."""
    rng = np.random.default_rng(seed)
    origin = np.array([f"A{k}" for k in rng.integers(0, origins, n)], dtype=object)
    true = rng.normal(0, 1, n)
    champion = true + rng.normal(0, 1, n)
    error = np.abs(champion - true) + rng.normal(0, 0.2, n)
    error += np.where(origin == bad, by * 10, 0.0)
    return GateEvidence(
        model="delay", version=4, task="regression", truth=true, score=true + error, champion=3,
        champion_score=champion, scale=10.0, slices={"origin": origin},
    )  # fmt: skip


def test_a_planted_regression_of_five_percent_is_found_and_named():
    check = check_slices(sliced(bad="A7", by=0.05), POLICY)
    assert check.outcome == "fail"
    assert "on origin=A7 is 0.0" in check.sentence
    assert "higher (worse) than that of version 3" in check.sentence
    assert "1 of 12 slices became worse" in check.sentence
    assert check.detail[0]["slice"] == "origin=A7"
    assert check.detail[0]["outcome"] == "fail"
    assert check.value == pytest.approx(0.05, abs=0.01)


def test_a_slice_that_is_five_percent_of_the_rows_is_found():
    check = check_slices(sliced(bad="A3", by=0.04, origins=20), POLICY)
    assert check.outcome == "fail"
    assert "origin=A3" in check.sentence


def test_all_slices_worse_by_the_margin_fail_in_at_most_five_percent():
    # 12 slices at the edge at once; 600 simulations leave a standard error of 0.89 %.
    failed = 0
    for seed in range(600):
        rng = np.random.default_rng(seed)
        n = 1800
        # Losses of 0 or 1: skewed, which is hard on a t test.
        champion = (rng.random(n) < 0.2).astype(float)
        candidate = np.where(rng.random(n) < 0.0125, 1.0, champion)
        judged = GateEvidence(
            model="delay", version=4, task="regression", truth=np.zeros(n), score=candidate,
            champion=3, champion_score=champion,
            slices={"origin": np.arange(n) % 12},
        )  # fmt: skip
        failed += check_slices(judged, POLICY).outcome == "fail"
    assert failed / 600 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_nothing_became_worse():
    check = check_slices(sliced(), POLICY)
    assert check.outcome == "pass"
    assert check.sentence.startswith("none of 12 slices is shown to be more than 0.010 worse")


def test_small_slices_are_listed_as_not_enough_data():
    evidence = sliced(n=1250)
    evidence.slices["origin"][:50] = "rare"
    check = check_slices(evidence, POLICY)
    assert "not enough data" in check.sentence
    rare = [part for part in check.detail if part["slice"] == "origin=rare"]
    assert rare == [
        {"slice": "origin=rare", "rows": 50, "outcome": "not enough data", "value": None,
         "low": None, "high": None, "p": None}
    ]  # fmt: skip


def test_only_small_slices_are_inconclusive():
    check = check_slices(sliced(n=100), POLICY)
    assert check.outcome == "inconclusive"
    assert check.required > 100
    assert "not enough data: all of 12 slices have under 100 rows" in check.sentence


def test_missing_values_are_a_slice():
    evidence = sliced(n=600, origins=2)
    evidence.slices["origin"][:200] = None
    names = {part["slice"] for part in check_slices(evidence, POLICY).detail}
    assert names == {"origin=(missing)", "origin=A0", "origin=A1"}


def test_identical_scores_never_fail(make):
    base = make(n=300)
    same = make(n=300, score=base.champion_score, slices={"origin": np.array(["a", "b"] * 150)})
    check = check_slices(same, POLICY)
    assert check.outcome == "pass"
    assert "is the same as that of version 3" in check.sentence


def test_every_row_worse_by_the_same_amount_fails():
    truth = np.zeros(200)
    evidence = GateEvidence(
        model="delay", version=4, task="regression", truth=truth, score=truth + 0.5, champion=3,
        champion_score=truth, slices={"origin": np.array(["a"] * 200)},
    )  # fmt: skip
    assert check_slices(evidence, POLICY).outcome == "fail"


def test_without_slices_or_champion_there_is_no_check(make):
    assert check_slices(make(), Gate(metric="roc_auc")) is None
    assert check_slices(make(champion=None, champion_score=None), POLICY) is None


def test_a_column_that_was_not_given(make):
    with pytest.raises(GateError, match="slice column 'origin' were not given"):
        check_slices(make(), POLICY)


def test_scores_that_are_no_numbers_are_inconclusive(make):
    evidence = make(n=200, score=np.full(200, np.nan), slices={"origin": np.zeros(200)})
    check = check_slices(evidence, POLICY)
    assert check.outcome == "inconclusive"
    assert "not finite" in check.sentence


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_keeps_order_and_stays_between_raw_and_bonferroni(ps):
    parts = [Slice(name=str(k), n=100, value=0.0, se=1.0, p=p) for k, p in enumerate(ps)]
    found = holm(parts)
    assert [one.p for one in found] == sorted(ps)
    assert [one.adjusted for one in found] == sorted(one.adjusted for one in found)
    for one in found:
        assert one.p <= one.adjusted <= 1.0
    assert found[0].adjusted == pytest.approx(min(1.0, min(ps) * len(ps)))
