from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from holdfast.errors import DataError, SpecError
from holdfast.statistics.metrics import METRICS, check_metric, metric, metric_names, prepare

CLASSES = ("a", "b", "c")


class Answers:
    """An estimator that answers what it was given, so that scikit-learn's own scorers judge."""

    def __init__(self, task, score, classes=()):
        self._estimator_type = "regressor" if task == "regression" else "classifier"
        self.score_, self.classes_ = score, np.array(classes)
        self.task = task

    def __sklearn_tags__(self):
        from sklearn.base import ClassifierMixin, RegressorMixin

        mixin = RegressorMixin if self.task == "regression" else ClassifierMixin
        return type("Tagged", (mixin, sklearn.base.BaseEstimator), {})().__sklearn_tags__()

    def fit(self, x, y):
        return self

    def predict(self, x):
        if self.task == "regression":
            return self.score_
        if self.task == "binary":
            return self.classes_[(self.score_ >= 0.5).astype(int)]
        return self.classes_[self.score_.argmax(axis=1)]

    def predict_proba(self, x):
        if self.task == "binary":
            return np.column_stack([1 - self.score_, self.score_])
        return self.score_


def by_sklearn(name, task, truth, score, classes):
    if name == "neg_calibration_error":
        return -_expected_calibration_error(truth, score)
    if name.startswith("neg_mean_pinball_loss_"):
        alpha = int(name.rpartition("_")[2]) / 100
        return -sklearn.metrics.mean_pinball_loss(truth, score, alpha=alpha)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scorer = sklearn.metrics.get_scorer(name)
        return scorer(Answers(task, score, classes), np.zeros((len(truth), 1)), truth)


def _expected_calibration_error(truth, score):
    """Naeini, Cooper, Hauskrecht (2015), cell by cell."""
    error = 0.0
    for k in range(15):
        inside = np.minimum((score * 15).astype(int), 14) == k
        if inside.any():
            error += inside.mean() * abs(truth[inside].mean() - score[inside].mean())
    return error


# Few different scores, so that ties are common.
tied = st.integers(0, 20).map(lambda k: k / 20)


@st.composite
def binary_rows(draw):
    n = draw(st.integers(2, 40))
    truth = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 1)))
    truth[:2] = [0, 1]
    return truth, draw(hnp.arrays(np.float64, n, elements=tied))


@st.composite
def multiclass_rows(draw):
    n = draw(st.integers(3, 40))
    index = draw(hnp.arrays(np.int64, n, elements=st.integers(0, 2)))
    index[:3] = [0, 1, 2]
    raw = draw(hnp.arrays(np.float64, (n, 3), elements=st.integers(1, 9).map(float)))
    return np.array(CLASSES)[index], raw / raw.sum(axis=1, keepdims=True)


@st.composite
def regression_rows(draw):
    n = draw(st.integers(2, 40))
    number = st.integers(1, 100).map(lambda k: k / 4)
    truth = draw(hnp.arrays(np.float64, n, elements=number))
    truth[:2] = [1.0, 2.0]
    return truth, draw(hnp.arrays(np.float64, n, elements=number))


@given(binary_rows())
@settings(max_examples=25, deadline=None)
def test_binary_metrics_are_those_of_sklearn(rows):
    truth, score = rows
    for name in metric_names("binary"):
        wanted = by_sklearn(name, "binary", truth, score, (0, 1))
        assert metric(name, "binary", truth, score) == pytest.approx(wanted, abs=1e-9), name


@given(multiclass_rows())
@settings(max_examples=25, deadline=None)
def test_multiclass_metrics_are_those_of_sklearn(rows):
    truth, score = rows
    for name in metric_names("multiclass"):
        wanted = by_sklearn(name, "multiclass", truth, score, CLASSES)
        found = metric(name, "multiclass", truth, score, classes=CLASSES)
        assert found == pytest.approx(wanted, abs=1e-9), name


@given(regression_rows())
@settings(max_examples=25, deadline=None)
def test_regression_metrics_are_those_of_sklearn(rows):
    truth, score = rows
    for name in metric_names("regression"):
        wanted = by_sklearn(name, "regression", truth, score, ())
        assert metric(name, "regression", truth, score) == pytest.approx(wanted, abs=1e-9), name


@pytest.mark.parametrize("name", sorted(METRICS))
def test_weights_are_counts_of_repeated_rows(name):
    task = METRICS[name].tasks[-1]
    rng = np.random.default_rng(7)
    n = 60
    counts = rng.integers(0, 4, n)
    if task == "regression":
        truth, score = rng.integers(1, 9, n) / 2, rng.integers(1, 9, n) / 2
    elif task == "binary":
        truth, score = rng.integers(0, 2, n), rng.integers(0, 11, n) / 10
    else:
        truth, score = np.array(CLASSES)[rng.integers(0, 3, n)], rng.dirichlet(np.ones(3), n)
    weighted = prepare(name, task, truth, score, classes=CLASSES if task == "multiclass" else ())
    repeated = metric(
        name,
        task,
        np.repeat(truth, counts),
        np.repeat(score, counts, axis=0),
        classes=CLASSES if task == "multiclass" else (),
    )
    assert weighted(counts.astype(float)) == pytest.approx(repeated, abs=1e-12)


def test_unknown_metric_names_the_nearest():
    with pytest.raises(SpecError, match="Did you mean 'roc_auc'"):
        check_metric("rocauc", "binary")
    with pytest.raises(SpecError, match="'r2' is not for binary"):
        check_metric("r2", "binary")
    with pytest.raises(SpecError, match="Known for regression"):
        check_metric("zzzzzz", "regression")


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_one_class_is_a_clear_error_for_ranks(name):
    with pytest.raises(DataError) as error:
        metric(name, "binary", np.zeros(5), np.full(5, 0.5))
    assert error.value.code == "statistics.one_class"
    assert metric("accuracy", "binary", np.zeros(5), np.full(5, 0.1)) == 1.0


def test_one_class_among_the_weighted_rows_is_nan():
    area = prepare("roc_auc", "binary", np.array([0, 1]), np.array([0.1, 0.9]))
    assert np.isnan(area(np.array([2.0, 0.0])))


def test_a_class_without_rows_is_left_out_of_one_versus_rest():
    truth = np.array(["a", "b", "a", "b"])
    score = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    for name in ("roc_auc_ovr", "roc_auc_ovo", "roc_auc_ovr_weighted", "roc_auc_ovo_weighted"):
        assert metric(name, "multiclass", truth, score, classes=CLASSES) == 1.0


@pytest.mark.parametrize(
    ("truth", "positive"),
    [
        (np.array([True, False, True]), True),
        (np.array([1, 0, 1]), True),
        (np.array([1.0, 0.0, 1.0]), 1),
        (np.array(["yes", "no", "yes"]), "yes"),
        (np.array(["yes", "no", "yes"], dtype=object), "yes"),
    ],
)
def test_labels_of_any_type(truth, positive):
    score = np.array([0.9, 0.2, 0.8])
    assert metric("accuracy", "binary", truth, score, positive=positive) == 1.0


def test_no_rows():
    with pytest.raises(DataError, match="needs rows"):
        metric("accuracy", "binary", np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("name", ["neg_mean_squared_log_error", "neg_mean_gamma_deviance"])
def test_values_outside_the_domain(name):
    with pytest.raises(DataError, match="this metric needs values"):
        metric(name, "regression", np.array([-2.0, 1.0]), np.array([1.0, 1.0]))
