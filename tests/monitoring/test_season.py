"""Windows are held against the hours of the week that they cover."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.monitoring.count import count
from holdfast.monitoring.drift import drift
from holdfast.monitoring.freeze import freeze
from holdfast.monitoring.joint import tables_of
from holdfast.monitoring.joint_drift import joint_drift
from holdfast.monitoring.merge import blocks
from holdfast.monitoring.season import expected, hour_of_week, is_seasonal, partition

DAY = timedelta(days=1)
HOUR_US = 3_600_000_000


def _world(seed: int, days: int, rows: int = 480, shift: float = 0.0, first: int = 0):
    """Two inputs that are higher by day, lower at weekends; one that knows no hours.

    ``first`` is the number of the first day; 2013-01-07 was a Monday.
    """
    rng = np.random.default_rng(seed)
    n = rows * days
    spent = first + np.arange(n) * days / n
    tide = np.sin(2 * np.pi * (spent % 1.0)) - 0.7 * (spent.astype(int) % 7 >= 5)
    x = rng.normal(size=(n, 3))
    at = np.datetime64("2013-01-07", "us") + (spent * 24 * HOUR_US).astype("m8[us]")
    return pl.DataFrame(
        {
            "at": at, "a": x[:, 0] + tide + shift, "b": x[:, 1] + tide, "calm": x[:, 2],
            "kind": np.where(rng.random(n) < 0.3 + 0.2 * tide, "x", "y"),
            "prediction": rng.random(n),
        }
    ).with_columns(pl.col("at").dt.replace_time_zone("UTC"))  # fmt: skip


def _reference(seed: int, days: int):
    frame = _world(seed, days)
    zeros = np.zeros(frame.height)
    return freeze(
        frame, zeros, zeros, task="binary", features=["a", "b", "calm", "kind"], at=frame["at"]
    )


def _found(reference, frame, start, days: int, length: timedelta = DAY):
    rows = count(frame, reference, model="m", version=1)
    window = {"since": start, "until": start + days * DAY, "length": length}
    alone = drift(reference, blocks(rows, reference.bins, **window))
    tables = blocks(rows, tables_of(reference.joint), **window)
    return {one.column: one for one in alone}, joint_drift(reference, tables, alone).pairs


@pytest.fixture(scope="module")
def held():
    return _reference(0, 35)


@pytest.fixture(scope="module")
def monday(held):
    return held.summaries[0].hour + 35 * DAY


def test_what_has_a_season_is_known(held) -> None:
    assert held.season.by == "hour of the week"
    assert set(held.season.columns) == {"a", "b", "kind"}
    assert len(held.season.pairs) == 3


@pytest.mark.parametrize("hours", [range(9), range(18, 24)])
def test_other_hours_are_no_drift(held, monday, hours) -> None:
    """Traffic of mornings only, or of evenings only, for 28 days; nothing has changed."""
    for seed in range(2):
        frame = _world(10 + seed, 28, rows=2400, first=35)
        frame = frame.filter(pl.col("at").dt.hour().is_in(list(hours)))
        alone, together = _found(held, frame, monday, 28)
        assert not any(one.declared.any() for one in alone.values())
        assert not any(one.declared.any() for one in together)
        seasonless, _ = _found(_without(held), frame, monday, 28)
        assert seasonless["a"].declared.mean() > 0.5


def test_single_hours_are_no_drift(held, monday) -> None:
    """Blocks of one hour, over a week, weekend included."""
    alone, _ = _found(held, _world(20, 7, rows=9600, first=35), monday, 7, timedelta(hours=1))
    assert not any(one.declared.any() for one in alone.values())


def test_a_shift_within_a_season_is_found(held, monday) -> None:
    """0.4 standard deviations, in traffic of mornings only: within three days, in that column."""
    frame = _world(30, 7, rows=2400, shift=0.4, first=35).filter(pl.col("at").dt.hour() < 9)
    alone, _ = _found(held, frame, monday, 7)
    assert alone["a"].declared[:3].any()
    assert not alone["b"].declared.any()
    assert not alone["calm"].declared.any()


def test_weekends_are_held_against_weekends(held) -> None:
    """What they do each week is no spread of days, so that less is usual."""
    place = [one.column for one in held.bins].index("a")
    bare = freeze(
        _world(0, 35), np.zeros(35 * 480), np.zeros(35 * 480), task="binary",
        features=["a"], at=_shuffled_hours(_world(0, 35)["at"]),
    )  # fmt: skip
    assert bare.season.columns == {}
    assert held.between.spread[place] < 0.5 * bare.between.spread[1]


def test_few_days_have_no_season() -> None:
    """Two days: nothing is known of hours, and that is what is said."""
    reference = _reference(1, 2)
    assert reference.season.by == ""
    assert reference.season.columns == {}


def test_the_finest_classes_that_the_rows_bear() -> None:
    def taken(days: int, rows: int) -> str:
        micros = np.arange(days * rows) * (24 * HOUR_US // rows)
        return partition(hour_of_week(micros), micros // (24 * HOUR_US))

    assert taken(28, 2400) == "hour of the week"
    assert taken(28, 480) == "hour of the day, weekends apart"
    assert taken(5, 2400) == "hour of the day"  # one weekend at most
    assert taken(28, 60) == "quarter of the day, weekends apart"
    assert taken(2, 2400) == ""


def test_odd_days_make_no_season() -> None:
    """Days that hang together, of which weekends are five pairs: hardly ever a season."""
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(100):
        level = rng.normal(size=35)
        for i in range(1, 35):
            level[i] = 0.7 * level[i - 1] + np.sqrt(0.51) * level[i]
        p = 1 / (1 + np.exp(-0.5 * level))
        ones = rng.binomial(500, p)
        table = np.zeros((35, 2, 2), dtype=np.int64)
        weekend = np.arange(35) % 7 // 5
        table[np.arange(35), weekend] = np.column_stack([ones, 500 - ones])
        called += is_seasonal(table)
    assert called <= 10


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 50), min_size=3, max_size=3), min_size=2, max_size=6),
    st.integers(1, 20),
)
def test_the_same_mix_of_hours_expects_the_whole(table, times) -> None:
    """A window with the reference's own hours is held against the reference, all rows counting."""
    known = np.array(table, dtype=np.float64) + 1
    found = expected(known, times * known.sum(axis=1)[None])
    assert found[0] == pytest.approx(known.sum(axis=0), rel=1e-9)


def _without(reference):
    import msgspec

    return msgspec.structs.replace(reference, season=None)


def _shuffled_hours(at: pl.Series) -> pl.Series:
    """The same days, each with its rows at any hour of it, and weeks of nine days."""
    hours = np.random.default_rng(9).permuted(
        at.dt.hour().to_numpy().reshape(35, -1), axis=1
    ).ravel()  # fmt: skip
    weekend = np.random.default_rng(8).permutation(35)
    day = np.repeat(weekend, at.len() // 35)
    micros = (day * 24 + hours) * HOUR_US
    return pl.Series(
        np.datetime64("2013-01-07", "us") + micros.astype("m8[us]")
    ).dt.replace_time_zone("UTC")
