"""Realised quality: by cohort of prediction, with maturity, whatever order labels come in."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from holdfast.monitoring.quality import labelled, mean_interval, quality

DAY = timedelta(days=1)


def _outcomes(frame: pl.DataFrame, delay: timedelta = timedelta(hours=6)) -> pl.DataFrame:
    return frame.select("at", "label", score="prediction", label_at=pl.col("at") + delay)


def test_cohorts_are_of_predictions_not_of_labels(world, start) -> None:
    outcomes = _outcomes(world(1, 500, 3), timedelta(days=1, hours=12))
    until = start + 3 * DAY
    known = labelled(outcomes, until, task="binary", positive=True)
    cohorts = quality(
        outcomes, known, since=start, until=until, length=DAY, task="binary",
        metrics=["roc_auc", "accuracy"], positive=True,
    )  # fmt: skip
    assert [c.rows for c in cohorts] == [500, 500, 500]
    assert cohorts[0].maturity == 1
    assert 0.3 < cohorts[1].maturity < 0.7
    assert cohorts[2].labelled == 0
    assert cohorts[2].loss is None
    assert [m.name for m in cohorts[0].metrics] == ["roc_auc", "accuracy"]
    first = outcomes.filter(pl.col("at") < start + DAY)
    expected = ((first["score"] - first["label"].cast(pl.Float64)) ** 2).mean()
    assert cohorts[0].loss == pytest.approx(expected)
    assert cohorts[0].low < expected < cohorts[0].high


def test_labels_of_the_future_do_not_exist(world, start) -> None:
    outcomes = _outcomes(world(2, 200), timedelta(days=9))
    assert labelled(outcomes, start + DAY, task="binary", positive=True).height == 0


def test_order_of_rows_does_not_matter(world, start) -> None:
    outcomes = _outcomes(world(3, 200))
    mixed = outcomes.sample(fraction=1.0, shuffle=True, seed=1)
    one, other = (
        labelled(o, start + 9 * DAY, task="binary", positive=True) for o in (outcomes, mixed)
    )
    assert one.equals(other)


def test_labels_that_are_none_of_the_classes(start) -> None:
    at = [start] * 4
    frame = pl.DataFrame({"at": at, "label_at": at, "label": ["a", "b", "?", None]})
    wide = frame.with_columns(score=pl.Series([[1.0, 0.0], [0.5, 0.5], [0.5, 0.5], [1.0, 0.0]]))
    known = labelled(wide, start, task="multiclass", classes=("a", "b"))
    assert sorted(known["loss"].to_list()) == [0.0, 0.25, 1.0]
    two = frame.with_columns(score=pl.Series([0.9, 0.9, 0.9, 0.9]))
    known = labelled(two, start, task="binary", classes=("a", "b"), positive="a")
    assert sorted(known["loss"].round(2).to_list()) == [0.01, 0.81]


def test_metrics_a_cohort_cannot_have_are_left_out(world, start) -> None:
    outcomes = _outcomes(world(4, 100)).with_columns(label=pl.lit(False))
    known = labelled(outcomes, start + 2 * DAY, task="binary", positive=True)
    (cohort,) = quality(
        outcomes, known, since=start, until=start + DAY, length=DAY, task="binary",
        metrics=["roc_auc"], positive=True,
    )  # fmt: skip
    assert cohort.metrics == ()


def test_interval_of_few_losses_is_wide() -> None:
    mean, low, high = mean_interval(np.zeros(3))
    assert (mean, low) == (0, 0)
    assert high > 0.3


def test_several_classes_without_a_label_yet(start) -> None:
    moment = pl.Datetime("us", "UTC")
    outcomes = pl.DataFrame(
        {"at": [start], "score": [[0.2, 0.3, 0.5]], "label": [None], "label_at": [None]},
        schema_overrides={"at": moment, "label": pl.String, "label_at": moment},
    )
    about = {"task": "multiclass", "classes": ("a", "b", "c")}
    assert labelled(outcomes, start + timedelta(days=1), **about).height == 0
    assert labelled(outcomes.clear(), start + timedelta(days=1), **about).height == 0
