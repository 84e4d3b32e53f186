from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from holdfast.gate.champion import check_champion, judge
from holdfast.gate.evidence import GateEvidence
from holdfast.spec import Gate
from holdfast.statistics.bootstrap import Difference

ALPHA = 0.05


def evidence(truth, score, champion, **more):
    given = {"task": "binary", **more}
    return GateEvidence(
        model="delay", version=4, truth=truth, score=score, champion=3, champion_score=champion,
        **given,
    )  # fmt: skip


def worse_accuracy(rng, n, by):
    """The champion is right on 80 % of the rows; the candidate loses some of these, gains none."""
    truth = rng.integers(0, 2, n)
    right = rng.random(n) < 0.8
    kept = right & (rng.random(n) >= by / 0.8)
    return truth, np.where(kept, truth, 1 - truth), np.where(right, truth, 1 - truth)


def worse_auc(rng, n, by):
    """Two normal scores with AUCs of 0.8 − by and 0.8, and correlated noise."""
    truth = rng.integers(0, 2, n)
    shared, own = rng.normal(size=(2, n))
    candidate = math.sqrt(2) * ndtri(0.8 - by) * truth + 0.9 * shared + math.sqrt(0.19) * own
    champion = math.sqrt(2) * ndtri(0.8) * truth + shared
    return truth, ndtr(candidate), ndtr(champion)


def outcomes(metric, rows, n, by, margin, simulations):
    policy = Gate(metric=metric, margin=margin, alpha=ALPHA)
    found = []
    for seed in range(simulations):
        judged = evidence(*rows(np.random.default_rng(seed), n, by))
        found.append(check_champion(judged, policy, seed=seed, resamples=60).outcome)
    return {outcome: found.count(outcome) / simulations for outcome in set(found)}


@pytest.mark.parametrize(
    ("metric", "rows", "n"), [("accuracy", worse_accuracy, 300), ("roc_auc", worse_auc, 600)]
)
def test_a_candidate_worse_by_exactly_the_margin_rarely_passes(metric, rows, n):
    # The promise is 5 %. 1,000 simulations leave a standard error of 0.69 %; three are tolerated.
    found = outcomes(metric, rows, n, by=0.05, margin=0.05, simulations=1000)
    assert found.get("pass", 0.0) <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 1000)


def test_an_equal_candidate_rarely_fails_and_passes_given_rows():
    found = outcomes("roc_auc", worse_auc, 600, by=0.0, margin=0.05, simulations=300)
    assert found.get("fail", 0.0) <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / 300)
    assert found["pass"] > 0.9


def test_a_candidate_far_worse_fails():
    found = outcomes("roc_auc", worse_auc, 600, by=0.1, margin=0.01, simulations=50)
    assert found["fail"] > 0.9


@given(
    n=st.integers(4, 120),
    seed=st.integers(0, 10**6),
    metric=st.sampled_from(["roc_auc", "accuracy", "neg_log_loss", "f1", "average_precision"]),
    margin=st.sampled_from([0.0, 0.001, 0.01, 0.2]),
)
@settings(max_examples=60, deadline=None)
def test_an_identical_candidate_never_fails(n, seed, metric, margin):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    score = rng.integers(0, 6, n) / 5
    check = check_champion(
        evidence(truth, score, score), Gate(metric=metric, margin=margin), seed=seed, resamples=30
    )
    assert check.outcome != "fail"


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_greater_margin_never_turns_a_pass_into_less(seed):
    rng = np.random.default_rng(seed)
    judged = evidence(*worse_accuracy(rng, 150, 0.03))
    passed = [
        check_champion(judged, Gate(metric="accuracy", margin=margin), seed=1, resamples=30).outcome
        == "pass"
        for margin in (0.0, 0.02, 0.05, 0.1, 0.3)
    ]
    assert passed == sorted(passed)


def test_an_identical_candidate_passes_once_there_are_rows_enough(make):
    # ln(20) / 0.01 = 300 rows without a difference exclude a loss of 0.01.
    policy = Gate(metric="accuracy", margin=0.01)
    few, many = (make(n=n) for n in (299, 300))
    for judged, outcome in ((few, "inconclusive"), (many, "pass")):
        same = evidence(judged.truth, judged.score, judged.score)
        assert check_champion(same, policy, seed=1, resamples=30).outcome == outcome


@pytest.mark.parametrize(
    ("low", "high", "margin", "outcome"),
    [
        (-0.009, 0.02, 0.01, "pass"),
        (-0.01, -0.001, 0.01, "pass"),
        (-0.02, -0.001, 0.01, "fail"),
        (-0.02, 0.001, 0.01, "inconclusive"),
        (-0.001, 0.02, 0.0, "inconclusive"),
        (0.001, 0.02, 0.0, "pass"),
    ],
)
def test_the_rule(low, high, margin, outcome):
    assert judge(Difference(0.0, low, high, 0.01, 0.0, 0.7, 0.7, 100), margin) == outcome


def test_sentence_of_a_fail(make):
    check = check_champion(make(n=3000, worse=0.05), Gate(metric="roc_auc"), seed=1, resamples=200)
    assert check.outcome == "fail"
    assert check.sentence == (
        "roc_auc is 0.043 lower than version 3 on the same 3,000 rows (95 % bounds 0.035 to 0.051 "
        "lower); at most 0.010 is allowed"
    )
    assert check.value == pytest.approx(check.detail[0]["candidate"] - check.detail[0]["champion"])


def test_sentence_of_a_candidate_worse_but_perhaps_within_the_margin(make):
    champion = np.arange(2000) % 2
    candidate = np.where(np.arange(2000) < 30, 1 - champion, champion)
    check = check_champion(
        evidence(champion, candidate, champion), Gate(metric="accuracy", margin=0.018), seed=1
    )
    assert check.value == pytest.approx(-0.015)
    assert check.outcome == "fail"
    assert check.sentence.endswith(
        "it is worse, and not shown to be within the 0.018 that is allowed"
    )


def test_sentence_of_a_pass(make):
    check = check_champion(make(n=3000), Gate(metric="roc_auc"), seed=1, resamples=200)
    assert check.outcome == "pass"
    assert check.sentence.endswith("; at most 0.010 lower is allowed")


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("metric", ["accuracy", "roc_auc", "neg_brier_score"])
def test_the_rows_it_asks_for_would_decide(make, metric, seed):
    policy = Gate(metric=metric, margin=0.004)
    few = make(n=80, seed=seed)
    first = check_champion(few, policy, seed=1, resamples=200)
    assert first.outcome == "inconclusive"
    assert first.required > 80
    assert "rows would decide" in first.sentence
    times = min(math.ceil(first.required / 80), 300)
    more = evidence(*(np.tile(a, times) for a in (few.truth, few.score, few.champion_score)))
    assert check_champion(more, policy, seed=1, resamples=60).outcome != "inconclusive"


def test_one_class_is_inconclusive(make):
    check = check_champion(make(n=40, truth=np.ones(40)), Gate(metric="roc_auc"), seed=1)
    assert check.outcome == "inconclusive"
    assert "cannot be compared with version 3" in check.sentence


def test_no_champion_no_check(make):
    assert (
        check_champion(make(champion=None, champion_score=None), Gate(metric="roc_auc"), seed=1)
        is None
    )


def test_regression_in_the_unit_of_the_metric():
    rng = np.random.default_rng(1)
    truth = rng.normal(100, 20, 500)
    champion = truth + rng.normal(0, 5, 500)
    judged = evidence(truth, champion + 0.1, champion, task="regression")
    policy = Gate(metric="neg_mean_absolute_error", margin=1.0)
    check = check_champion(judged, policy, seed=1, resamples=100)
    assert check.outcome == "pass"
    assert "at most 1.0 lower is allowed" in check.sentence


def test_multiclass():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 600)
    champion = 0.7 * np.eye(3)[truth] + 0.3 * rng.dirichlet(np.ones(3), 600)
    candidate = rng.dirichlet(np.ones(3), 600)
    judged = evidence(truth, candidate, champion, task="multiclass", classes=(0, 1, 2))
    check = check_champion(judged, Gate(metric="roc_auc_ovr"), seed=1, resamples=50)
    assert check.outcome == "fail"
