"""Estimates under a shift of the inputs: nearer the truth than without, or an honest refusal."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from holdfast.monitoring.adapt import adapt, domain_weights
from holdfast.monitoring.cells import PREDICTION, index
from holdfast.monitoring.estimate import estimate_counts
from holdfast.monitoring.freeze import freeze, loss_scale
from holdfast.monitoring.sample import MOST_ROWS, groups_of, outcomes_of
from holdfast.records import Reference
from holdfast.statistics.losses import bounded_loss

CLASSES = (0, 1)


def _world(seed: int, rows: int, shift: float = 0.0) -> tuple[pl.DataFrame, np.ndarray]:
    """The model knows ``a`` alone, calibrated where ``b`` is 0 on average; ``b`` shifts."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=rows), rng.normal(size=rows) + shift
    truth = rng.random(rows) < 1 / (1 + np.exp(-(a + 1.2 * b - 1.8)))
    score = 1 / (1 + np.exp(-0.85 * a + 1.5))
    noise = {f"n{k}": rng.normal(size=rows) for k in range(3)}
    place = rng.choice(["x", "y", "z"], rows)
    frame = pl.DataFrame({"a": a, "b": b, "place": place, **noise, PREDICTION: score})
    return frame, truth


def _reference(seed: int = 0, rows: int = 20_000) -> Reference:
    frame, truth = _world(seed, rows)
    loss = (frame[PREDICTION].to_numpy() - truth) ** 2
    return freeze(frame, truth, loss, task="binary", features=frame.columns[:-1])


def _counts(reference: Reference, frame: pl.DataFrame) -> np.ndarray:
    bins = reference.bins[0]
    return np.bincount(index(frame[PREDICTION], bins).cells, minlength=bins.cells)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return _reference()


def test_adapted_estimates_follow_a_shift_that_the_calibration_cannot() -> None:
    """12 worlds: mean error a third of that without, 9 intervals hold the truth (95 %, 4 sd)."""
    plain, adapted, held = [], [], 0
    for seed in range(12):
        reference = _reference(1000 + seed, 5000)
        frame, truth = _world(seed, 2000, 0.7)
        realised = float(((frame[PREDICTION].to_numpy() - truth) ** 2).mean())
        counts = _counts(reference, frame)
        said = adapt(reference, counts, frame, "binary")
        assert said.value is not None, said.reason
        plain.append(estimate_counts(counts, reference, "binary").value - realised)
        adapted.append(said.value - realised)
        held += said.low <= realised <= said.high
    assert abs(np.mean(adapted)) < abs(np.mean(plain)) / 3
    assert held >= 9


def test_without_a_shift_it_says_what_the_calibration_says(reference) -> None:
    frame, _ = _world(5, 2000)
    counts = _counts(reference, frame)
    plain = estimate_counts(counts, reference, "binary")
    said = adapt(reference, counts, frame, "binary")
    assert said.value == pytest.approx(plain.value, abs=0.02)
    assert {one.name for one in said.metrics} == {"accuracy", "roc_auc"}


def test_it_refuses_what_the_held_out_rows_cannot_show(reference) -> None:
    far, _ = _world(6, 1500, 6.0)
    said = adapt(reference, _counts(reference, far), far, "binary")
    assert said.value is None
    assert "can be told from the held-out rows" in said.reason
    some = _world(7, 1500, 1.5)[0].with_columns(pl.col("n0") + 1.5)
    few = adapt(reference, _counts(reference, some), some, "binary")
    assert few.value is None
    assert "are like those of production" in few.reason
    tiny = some.head(100)
    assert "not enough data" in adapt(reference, _counts(reference, tiny), tiny, "binary").reason


def test_the_loss_of_a_regression_is_modelled_from_the_inputs() -> None:
    """The noise grows with an input that the predictions do not show; 8 worlds, 5 held (4 sd)."""
    plain, modelled, held = [], [], 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        frame, truth = _noisy(rng, 6000, 1.0)
        scale = loss_scale(truth, frame[PREDICTION].to_numpy())
        loss = bounded_loss("regression", truth, frame[PREDICTION].to_numpy(), scale=scale)
        reference = freeze(frame, truth, loss, task="regression", features=["wild"])
        now, then = _noisy(rng, 3000, 2.5)
        errors = bounded_loss("regression", then, now[PREDICTION].to_numpy(), scale=scale)
        realised = float(errors.mean())
        counts = _counts(reference, now)
        said = adapt(reference, counts, now, "regression")
        plain.append(estimate_counts(counts, reference, "regression").value - realised)
        modelled.append(said.value - realised)
        held += said.low <= realised <= said.high
    assert abs(np.mean(modelled)) < abs(np.mean(plain)) / 3
    assert held >= 5


def _noisy(rng: np.random.Generator, rows: int, harder: float) -> tuple[pl.DataFrame, np.ndarray]:
    value, wild = rng.normal(10, 2, rows), rng.random(rows) ** (1 / harder)
    truth = value + rng.normal(size=rows) * (0.2 + 2 * wild)
    return pl.DataFrame({"wild": wild, PREDICTION: value}), truth


def test_a_sample_is_bounded_and_holds_cells_only(reference) -> None:
    sample = reference.sample
    assert sample.rows == MOST_ROWS
    assert Reference.from_json(reference.to_json()) == reference
    assert set(groups_of(sample)) == {"prediction", "a", "b", "place", "n0", "n1", "n2"}
    assert all(cells.max() < 20 for cells in groups_of(sample).values())
    _, happened, loss = outcomes_of(sample)
    assert loss.mean() == pytest.approx(reference.loss, abs=0.01)
    assert set(happened) == {0.0, 1.0}


def test_columns_that_one_side_lacks_are_left_out(reference) -> None:
    held = groups_of(reference.sample)
    weights = domain_weights(held, {"a": held["a"][::2]})
    assert weights.auc == pytest.approx(0.5, abs=0.02)
    assert weights.effective > 0.98 * reference.sample.rows
