from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import DataError, SpecError
from holdfast.training.evaluate import evaluate, metrics_of

GENERATOR = np.random.default_rng(0)
N = 300


def test_the_gates_metric_comes_first_and_once() -> None:
    assert metrics_of("binary", "f1")[0] == "f1"
    assert metrics_of("binary", "accuracy").count("accuracy") == 1


def test_binary() -> None:
    truth = GENERATOR.random(N) < 0.4
    score = np.clip(0.4 + 0.2 * truth + GENERATOR.normal(0, 0.2, N), 0, 1)

    metrics = evaluate("binary", truth, score, metrics_of("binary", "roc_auc"), 1, positive=True)

    assert [metric.name for metric in metrics] == list(metrics_of("binary", "roc_auc"))
    assert all(metric.low < metric.value < metric.high for metric in metrics)
    assert 0.6 < metrics[0].value < 0.9
    assert metrics[0].n == N


def test_multiclass() -> None:
    classes = ("high", "low", "mid")
    index = GENERATOR.integers(0, 3, N)
    score = GENERATOR.dirichlet([1, 1, 1], N) + 2 * np.eye(3)[index]
    score /= score.sum(axis=1, keepdims=True)

    metrics = evaluate(
        "multiclass", np.array(classes, dtype=object)[index], score,
        metrics_of("multiclass", "accuracy"), 1, classes=classes,
    )  # fmt: skip

    assert {metric.name: metric.value for metric in metrics}["accuracy"] > 0.9


def test_regression_is_the_same_for_the_same_seed() -> None:
    truth = GENERATOR.normal(0, 1, N)
    score = truth + GENERATOR.normal(0, 0.5, N)
    names = metrics_of("regression", "r2")

    assert evaluate("regression", truth, score, names, 3) == evaluate(
        "regression", truth, score, names, 3
    )
    assert evaluate("regression", truth, score, names, 3) != evaluate(
        "regression", truth, score, names, 4
    )


def test_what_has_no_value_on_one_class_is_left_out() -> None:
    names = metrics_of("binary", "roc_auc")

    metrics = evaluate("binary", np.ones(N), np.full(N, 0.7), names, 1)

    assert "roc_auc" not in {metric.name for metric in metrics}
    assert "accuracy" in {metric.name for metric in metrics}


def test_wrong_names_and_wrong_scores_are_errors() -> None:
    with pytest.raises(SpecError, match="roc_au"):
        evaluate("binary", np.ones(N), np.ones(N), ["roc_au"], 1)
    with pytest.raises(DataError):
        evaluate("binary", np.ones(N), np.full(N, 7.0), ["accuracy"], 1)
