from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import DataError, SpecError
from holdfast.statistics.bootstrap import interval, paired_difference, resample
from holdfast.statistics.metrics import METRICS, prepare


def rows(n, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n)
    score = np.clip(0.25 * truth + 0.75 * rng.random(n), 0, 1)
    return truth, score, np.clip(score + rng.normal(shift, 0.05, n), 0, 1)


def test_same_seed_same_bounds():
    truth, a, b = rows(300, 1)
    once = paired_difference("roc_auc", "binary", truth, a, b, seed=5, resamples=50)
    assert once == paired_difference("roc_auc", "binary", truth, a, b, seed=5, resamples=50)
    assert once != paired_difference("roc_auc", "binary", truth, a, b, seed=6, resamples=50)


@given(st.integers(0, 10**6), st.sampled_from(["roc_auc", "accuracy", "neg_log_loss", "f1"]))
@settings(max_examples=20, deadline=None)
def test_bounds_enclose_and_swapping_the_models_mirrors_them(seed, name):
    truth, a, b = rows(120, seed)
    there = paired_difference(name, "binary", truth, a, b, seed=3, resamples=60)
    back = paired_difference(name, "binary", truth, b, a, seed=3, resamples=60)
    assert there.low <= there.value <= there.high
    assert there.value == pytest.approx(-back.value)
    assert there.low == pytest.approx(-back.high)
    assert there.se == pytest.approx(back.se)
    assert there.value == pytest.approx(there.a - there.b)


def test_standard_error_of_a_mean_is_the_known_one():
    truth, a, _ = rows(2000, 2)
    drawn = resample((prepare("accuracy", "binary", truth, a),), len(truth), seed=1, resamples=600)[
        :, 0
    ]
    right = float(np.mean((a >= 0.5) == truth))
    assert drawn.std() == pytest.approx(np.sqrt(right * (1 - right) / len(truth)), rel=0.1)


def test_interval_holds_the_true_value_in_95_percent_of_samples():
    # Monte Carlo: 300 samples at 95 % leave a standard error of 1.3 %; 91 % is 3 of them below.
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        truth = np.ones(150, dtype=int)
        truth[0] = 0
        score = np.where(rng.random(150) < 0.8, truth, 1.0 - truth)
        found = interval("accuracy", "binary", truth, score, seed=seed, resamples=150)
        held += found.low <= 0.8 <= found.high
    assert held / 300 >= 0.91


def test_agreement_on_few_rows_is_no_proof_of_equality():
    truth = np.array([0, 1] * 20)
    score = truth * 0.8 + 0.1
    same = paired_difference("accuracy", "binary", truth, score, score, seed=1, resamples=50)
    # A model that errs on 7 % more rows agrees on 40 rows in 5 % of samples: 0.93 ** 40 = 0.055.
    assert same.value == 0.0
    assert same.low == pytest.approx(-np.log(20) / 40)


def test_interval_stays_within_the_best_value():
    truth = np.array([0, 1] * 20)
    perfect = interval("accuracy", "binary", truth, truth, seed=1, resamples=50)
    assert perfect.value == perfect.high == 1.0
    assert perfect.low < 1.0
    nearest = interval("neg_brier_score", "binary", truth, truth, seed=1, resamples=50)
    assert nearest.high == 0.0


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_has_an_interval(name):
    rng = np.random.default_rng(4)
    task = METRICS[name].tasks[-1]
    classes = (0, 1, 2) if task == "multiclass" else ()
    truth = rng.integers(0, 3 if task == "multiclass" else 2, 80)
    score = rng.dirichlet(np.ones(3), 80) if classes else rng.random(80)
    if task == "regression":
        truth = truth + 1.0
    found = interval(name, task, truth, score, classes=classes, seed=2, resamples=60)
    assert found.low <= found.value <= found.high
    assert found.n == 80


def test_a_class_too_rare_to_be_drawn():
    truth = np.array([1] + [0] * 3)
    score = np.array([0.9, 0.1, 0.2, 0.3])
    found = interval("roc_auc", "binary", truth, score, seed=1, resamples=60)
    assert found.value == 1.0
    with pytest.raises(DataError) as error:
        interval("r2", "regression", np.array([1.0, 2.0]), np.array([1.0, 2.0]), seed=1,
                 resamples=1)  # fmt: skip
    assert error.value.code == "statistics.too_few_rows"


def test_unknown_metric():
    with pytest.raises(SpecError, match="there is no metric"):
        interval("nope", "binary", np.ones(3), np.ones(3), seed=1)


def test_five_hundred_resamples_of_twenty_thousand_rows_are_quick():
    truth, a, b = rows(20_000, 3)
    start = time.process_time()
    paired_difference("roc_auc", "binary", truth, a, b, seed=1, resamples=500)
    assert time.process_time() - start < 4


@pytest.mark.parametrize("lost", [0, 1, 3, 10, 40])
def test_bound_on_a_few_lost_rows_is_near_the_exact_one(lost):
    from scipy.stats import chi2

    truth = np.array([0, 1] * 500)
    champion = truth * 0.8 + 0.1
    candidate = champion.copy()
    candidate[:lost] = 1 - candidate[:lost]
    found = paired_difference(
        "accuracy", "binary", truth, candidate, champion, seed=2, resamples=2000
    )
    exact = chi2.ppf(0.95, 2 * (lost + 1)) / 2 / 1000
    assert -found.low == pytest.approx(exact, rel=0.1)
