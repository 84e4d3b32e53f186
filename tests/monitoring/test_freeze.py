"""Freezing: cells by the rules, calibration that is calibrated, and what is usual between days."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from holdfast.errors import DataError
from holdfast.monitoring import freeze as fz
from holdfast.monitoring.days import long_run_spread
from holdfast.records import Reference


def test_reference_survives_json(reference) -> None:
    assert Reference.from_json(reference.to_json()) == reference


def test_cells_of_a_numeric_column(reference) -> None:
    rain = next(b for b in reference.bins if b.column == "rain")
    counts = next(c for c in reference.summaries[0].columns if c.column == "rain").counts
    assert rain.spikes[0] == 0.0
    assert set(rain.spikes) <= set(rain.edges)
    assert len(rain.edges) <= 255
    assert counts[0] == counts[len(rain.edges)] == 0  # nothing beyond its own range
    plain = np.array(counts[1 : len(rain.edges)])
    assert plain.max() < 0.02 * sum(counts)


def test_a_prediction_cell_never_reaches_across_one_half(reference) -> None:
    edges = np.array(reference.bins[0].edges)
    assert reference.bins[0].column == "prediction"
    assert np.nextafter(0.5, 0) in edges


def test_summaries_are_of_all_rows_and_of_each_slice(reference) -> None:
    keys = [s.slice for s in reference.summaries]
    assert keys[0] == ""
    assert set(keys[1:]) == {"origin=EWR", "origin=JFK", "origin=LGA"}
    assert sum(s.rows for s in reference.summaries[1:]) == reference.rows == 20_000


def test_calibration_is_isotonic_and_near_the_truth(reference) -> None:
    known, p, loss = (np.array(part) for part in zip(*reference.calibration, strict=True))
    inner = slice(0, len(reference.bins[0].edges) + 1)
    assert (np.diff(p[inner]) >= 0).all()
    assert known.sum() == reference.rows
    assert known @ loss / known.sum() == pytest.approx(reference.loss)
    middle = np.interp(0.3, np.array(reference.bins[0].edges), p[inner][:-1])
    assert middle == pytest.approx(0.3, abs=0.03)


def test_loss_interval_and_scale() -> None:
    rng = np.random.default_rng(0)
    value, error = rng.normal(size=4000), rng.normal(size=4000)
    frame = pl.DataFrame({"x": rng.normal(size=4000), "prediction": value + error})
    scale = fz.loss_scale(value, value + error)
    losses = np.minimum(np.abs(error) / scale, 1)
    reference = fz.freeze(frame, value, losses, task="regression", features=["x"])
    assert reference.scale == scale == pytest.approx(1.96, abs=0.08)
    assert reference.loss_low < reference.loss < reference.loss_high
    assert reference.loss_high - reference.loss_low < 0.02
    assert reference.usual == {}


def test_days_that_differ_are_learned() -> None:
    """Losses that vary by 0.05 between days beside sampling; the estimate is within 35 %."""
    rng = np.random.default_rng(1)
    days = np.repeat(np.arange(60), 300)
    level = np.clip(0.3 + 0.05 * rng.normal(size=60), 0, 1)
    loss = (rng.random(days.size) < level[days]).astype(float)
    assert long_run_spread(loss, days) == pytest.approx(0.05, rel=0.35)
    flat = (rng.random(days.size) < 0.3).astype(float)
    assert long_run_spread(flat, days) < 0.015
    assert long_run_spread(loss[:2000], days[:2000]) == 0.0


def test_usual_distance_of_a_day(reference) -> None:
    assert set(reference.usual) == {b.column for b in reference.bins}
    assert all(0 <= value < 0.1 for value in reference.usual.values())
    assert reference.between is not None
    assert len(reference.between.spread) == len(reference.bins)
    assert reference.between.days == 20
    assert reference.between.following < 0.3  # these days do not know of one another


def test_odd_columns_do_no_harm() -> None:
    frame = pl.DataFrame(
        {
            "prediction": [0.1, 0.9, 0.5],
            "nothing": pl.Series([None, None, None], dtype=pl.Float64),
            "same": [7, 7, 7],
            "text": [None, "a", "a"],
        }
    )
    reference = fz.freeze(
        frame, [0, 1, 1], [0.01, 0.01, 0.25], task="binary", features=["nothing", "same", "text"]
    )
    cells = {c.column: c.counts for c in reference.summaries[0].columns}
    assert cells["nothing"] == (0, 3)
    assert cells["text"] == (2, 0, 1)
    assert max(cells["same"]) == 3


def test_no_rows_are_refused() -> None:
    frame = pl.DataFrame({"prediction": []}, schema={"prediction": pl.Float64})
    with pytest.raises(DataError, match="held-out"):
        fz.freeze(frame, [], [], task="binary", features=[])
