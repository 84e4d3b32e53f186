"""A small world with a known truth: a calibrated binary score, a few inputs, days of traffic."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from holdfast.monitoring.freeze import freeze
from holdfast.records import Reference

START = datetime(2013, 1, 1, tzinfo=UTC)
FEATURES = ["wind", "rain", "carrier", "origin", "holiday"]

World = Callable[..., pl.DataFrame]


def make_world(seed: int, rows: int = 2000, days: int = 1, shift: float = 0.0) -> pl.DataFrame:
    """Rows by the day in order of time; ``shift`` moves the wind by so many standard deviations.

    ``label`` comes true with exactly the probability ``prediction``.
    """
    rng = np.random.default_rng(seed)
    n = rows * days
    seconds = (
        np.sort(rng.uniform(0, 86_400, (days, rows)), axis=1) + 86_400 * np.arange(days)[:, None]
    )
    score = rng.beta(1.5, 4.0, n)
    rain = np.where(rng.random(n) < 0.7, 0.0, rng.exponential(1.0, n).round(2))
    at = np.datetime64("2013-01-01", "us") + (seconds.ravel() * 1e6).astype("timedelta64[us]")
    return pl.DataFrame(
        {
            "at": at,
            "wind": np.where(rng.random(n) < 0.02, np.nan, 10 + 3 * (rng.normal(size=n) + shift)),
            "rain": rain,
            "carrier": rng.choice(["AA", "B6", "DL", "UA"], n, p=[0.4, 0.3, 0.2, 0.1]),
            "origin": rng.choice(["EWR", "JFK", "LGA"], n),
            "holiday": rng.random(n) < 0.1,
            "prediction": score,
            "label": rng.random(n) < score,
        }
    ).with_columns(pl.col("at").dt.replace_time_zone("UTC"))


def make_reference(
    seed: int = 0, rows: int = 1000, days: int = 20, with_days: bool = True
) -> Reference:
    """The held-out rows of the same world."""
    frame = make_world(seed, rows, days)
    truth = frame["label"].to_numpy()
    losses = (frame["prediction"].to_numpy() - truth) ** 2
    return freeze(
        frame, truth, losses, task="binary", features=FEATURES, slices=["origin"], model="late",
        version=1, at=frame["at"] if with_days else None,
    )  # fmt: skip


@pytest.fixture(scope="session")
def world() -> World:
    return make_world


@pytest.fixture(scope="session")
def reference() -> Reference:
    return make_reference()


@pytest.fixture(scope="session")
def start() -> datetime:
    return START
