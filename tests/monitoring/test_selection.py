"""Labels that come for some kinds of predictions only.

The error rates are of 300 simulated worlds each; the tolerance is what a binomial count of so many
exceeds once in 1,000 runs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from holdfast.monitoring.quality import labelled
from holdfast.monitoring.selection import LEAST, Selection, select
from holdfast.spec import Task

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = START + 30 * DAY
WORLDS = 300


def world(
    seed: int, share: Any, rows: int = 4500, *, spread: float = 0.0, days: int = 20
) -> tuple[pl.DataFrame, float]:
    """Predictions, labelled with a probability of ``share(score)``; and the true mean loss."""
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, days, rows))
    score = rng.beta(2, 2, rows)
    chance = np.clip(score + rng.normal(scale=spread, size=days)[day] * (score > 0.5), 0, 1)
    label = rng.random(rows) < chance
    at = START.timestamp() + (day + 0.5) * 86_400
    there = rng.random(rows) < share(score)
    frame = pl.DataFrame({"at": at, "score": score, "label": label, "label_at": at + 3600.0})
    micros = (pl.col("at", "label_at") * 1e6).cast(pl.Int64).cast(pl.Datetime("us"))
    frame = frame.with_columns(micros.dt.replace_time_zone("UTC"))
    hidden = [pl.when(pl.Series(there)).then(pl.col(name)) for name in ("label", "label_at")]
    return frame.with_columns(hidden), float(((score - chance) ** 2 + chance * (1 - chance)).mean())


def looked(outcomes: pl.DataFrame, task: Task = "binary", **more: Any) -> Selection | None:
    known = labelled(outcomes, UNTIL, task=task, **more)
    classes = more.get("classes", ())
    return select(outcomes, known, until=UNTIL, length=DAY, task=task, classes=classes)


def test_labels_that_come_alike_are_hardly_ever_said_not_to() -> None:
    """It is promised to be one look in 10,000."""
    wrong = 0
    for seed in range(WORLDS):
        found = looked(world(seed, lambda _: 0.3)[0])
        assert found is not None
        wrong += found.most is not None
    assert wrong <= stats.binom.ppf(0.999, WORLDS, 1e-4)


@pytest.mark.parametrize("spread", [0.0, 0.15])
def test_the_loss_over_all_predictions_is_found(spread: float) -> None:
    """The 95 % interval holds the true loss, where the measured one is far off; also when days
    differ.
    """
    held, off = 0, []
    for seed in range(WORLDS):
        outcomes, truth = world(seed, lambda score: 0.15 + 0.8 * (score > 0.8), spread=spread)
        found = looked(outcomes)
        assert found is not None
        assert found.least is not None
        assert found.most is not None
        assert found.most.labelled / found.most.rows > 0.6
        assert found.least.labelled / found.least.rows < 0.3
        assert found.loss is not None
        assert found.measured is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
        off.append(found.measured - truth)
    assert held >= stats.binom.ppf(0.001, WORLDS, 0.92)
    assert abs(np.mean(off)) > 0.02


def test_of_what_has_no_labels_nothing_is_known() -> None:
    outcomes, truth = world(1, lambda score: score > 0.5)
    found = looked(outcomes)
    assert found is not None
    assert found.loss is None
    assert 0.3 < found.blind < 0.7
    assert found.low is not None
    assert found.high is not None
    assert found.low <= truth <= found.high
    assert found.high - found.low >= found.blind
    assert found.least is not None
    assert found.least.labelled == 0


def test_too_little_says_nothing() -> None:
    outcomes, _ = world(1, lambda _: 1.0, rows=LEAST - 1)
    assert looked(outcomes) is None
    assert looked(outcomes.with_columns(label=None, label_at=None).cast(outcomes.schema)) is None


def test_classes_and_values() -> None:
    rng = np.random.default_rng(2)
    outcomes, _ = world(3, lambda score: np.where(score > 0.5, 0.9, 0.2))
    values = outcomes.with_columns(label=pl.col("label").cast(pl.Float64))
    found = looked(values, "regression", scale=1.0)
    assert found is not None
    assert found.least is not None
    shares = rng.dirichlet([1, 1, 1], outcomes.height)
    there = np.where(shares.argmax(axis=1) == 2, 0.1, 0.9) > rng.random(outcomes.height)
    classes = outcomes.with_columns(
        score=pl.Series(shares.tolist()),
        label=pl.when(pl.Series(there)).then(pl.lit("a")),
        label_at=pl.when(pl.Series(there)).then(pl.col("at") + timedelta(hours=1)),
    )
    found = looked(classes, "multiclass", classes=("a", "b", "c"))
    assert found is not None
    assert found.least is not None
    assert found.least.name == "predicted 'c'"
    assert found.blind == 0


def test_one_score_for_all() -> None:
    outcomes, _ = world(1, lambda _: 0.5)
    found = looked(outcomes.with_columns(score=pl.lit(0.5)))
    assert found is not None
    assert found.least is None
