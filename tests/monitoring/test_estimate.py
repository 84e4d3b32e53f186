"""Estimates without labels: right where calibration holds, silent where nothing can be known."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from holdfast.monitoring.count import summarise
from holdfast.monitoring.estimate import estimate, estimate_counts
from holdfast.monitoring.freeze import freeze, loss_scale
from holdfast.monitoring.merge import merge


def _summary(frame, reference):
    return merge([s for s in summarise(frame, reference, "late", 1) if s.slice == ""])


def test_the_reference_estimates_itself(reference) -> None:
    found = estimate(reference.summaries[0], reference, "binary")
    assert found.value == pytest.approx(reference.loss)
    assert found.low < found.value < found.high


def test_interval_holds_the_realised_loss(world, reference) -> None:
    """40 production windows of 2,000 calibrated rows: ≥ 85 % covered (95 % nominal, 3 sd)."""
    covered = 0
    for seed in range(40):
        frame = world(500 + seed, 2000)
        realised = float(((frame["prediction"] - frame["label"].cast(pl.Float64)) ** 2).mean())
        found = estimate(_summary(frame, reference), reference, "binary")
        assert found.value == pytest.approx(realised, abs=0.015)
        covered += found.low <= realised <= found.high
    assert covered >= 34


def test_a_harder_mix_is_seen_without_labels(world, reference) -> None:
    """Only rows near one half: loss, accuracy and AUC follow the truth."""
    frame = world(1, 30_000).filter(pl.col("prediction").is_between(0.3, 0.7))
    truth, score = frame["label"].to_numpy(), frame["prediction"].to_numpy()
    found = estimate(_summary(frame, reference), reference, "binary")
    metrics = {m.name: m for m in found.metrics}
    assert found.value == pytest.approx(((score - truth) ** 2).mean(), abs=0.012)
    assert found.low > reference.loss_high
    assert metrics["accuracy"].value == pytest.approx(((score >= 0.5) == truth).mean(), abs=0.025)
    assert metrics["roc_auc"].value == pytest.approx(roc_auc_score(truth, score), abs=0.025)
    assert metrics["roc_auc"].low < metrics["roc_auc"].value < metrics["roc_auc"].high


def test_regression_by_the_loss_of_the_cell() -> None:
    """The error grows with the value, so larger predictions cost more."""
    rng = np.random.default_rng(2)
    value = rng.uniform(1, 10, 20_000)
    truth = value + value * 0.2 * rng.normal(size=value.size)
    losses = np.minimum(np.abs(truth - value) / loss_scale(truth, value), 1)
    frame = pl.DataFrame({"prediction": value})
    reference = freeze(frame, truth, losses, task="regression", features=[])
    high = value > 7
    counts = reference.summaries[0].columns[0].counts
    kept = np.where(np.append(np.array(reference.bins[0].edges), [np.inf, 0]) > 7, counts, 0)
    found = estimate_counts(kept, reference, "regression")
    assert found.value == pytest.approx(losses[high].mean(), abs=0.01)
    assert found.metrics == ()


def test_multiclass_by_the_largest_probability() -> None:
    rng = np.random.default_rng(3)
    top = rng.uniform(0.4, 1, 20_000)
    right = rng.random(top.size) < top
    losses = np.where(right, (1 - top) ** 2, top)  # any bounded loss will do
    reference = freeze(
        pl.DataFrame({"prediction": top}), right, losses, task="multiclass", features=[]
    )
    found = estimate(reference.summaries[0], reference, "multiclass")
    assert found.value == pytest.approx(losses.mean())
    assert [m.name for m in found.metrics] == ["accuracy"]
    assert found.metrics[0].value == pytest.approx(right.mean(), abs=1e-6)


def test_too_few_or_foreign_predictions_give_a_reason(world, reference) -> None:
    few = estimate(_summary(world(4, 50), reference), reference, "binary")
    assert few.value is None
    assert "not enough data" in few.reason
    foreign = world(5, 500).with_columns(prediction=pl.lit(0.9999))
    said = estimate(_summary(foreign, reference), reference, "binary")
    assert said.value is None
    assert "held-out rows had none" in said.reason
    nulls = world(6, 500).with_columns(prediction=pl.lit(None, dtype=pl.Float64))
    assert estimate(_summary(nulls, reference), reference, "binary").value is None
