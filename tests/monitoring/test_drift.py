"""Drift: false alarms within the budget, shifts found in time, seasons not mistaken for harm."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from holdfast.monitoring.count import count
from holdfast.monitoring.drift import drift, judge, run_start
from holdfast.monitoring.freeze import freeze
from holdfast.monitoring.merge import Blocks, blocks
from holdfast.monitoring.streams import measure
from holdfast.records import Bins, ColumnSummary, Reference, Summary

DAY = timedelta(days=1)


def _blocks(frame, reference, start, days):
    rows = count(frame, reference, model="late", version=1)
    return blocks(rows, reference.bins, since=start, until=start + days * DAY, length=DAY)


def test_no_false_drift_over_fifty_columns_and_sixty_days(start) -> None:
    """A point null, a sampled reference (m = 20,000), one page a month, no demand on the effect.

    The budget allows two in sixty days; 5 repetitions must together stay within it.
    """
    rng = np.random.default_rng(0)
    cells = 64
    bins = tuple(
        Bins(column=f"x{i}", kind="numeric", edges=tuple(range(cells - 1))) for i in range(50)
    )
    p = np.append(np.full(cells, 1 / cells), 0)
    declared = 0
    for _ in range(5):
        columns = tuple(
            ColumnSummary(column=b.column, counts=tuple(rng.multinomial(20_000, p)), n=20_000)
            for b in bins
        )
        summary = Summary(model="m", version=1, hour=start, slice="", rows=20_000, columns=columns)
        reference = Reference(bins=bins, summaries=(summary,), loss=0, loss_low=0, loss_high=0)
        counts = {b.column: rng.multinomial(1000, p, size=60) for b in bins}
        seen = Blocks(tuple(start + i * DAY for i in range(60)), DAY, counts)
        found = drift(reference, seen, minimum_effect=0.0)
        declared += sum(int(one.declared.sum()) for one in found)
        assert not any(one.declared.any() for one in drift(reference, seen))
    assert declared <= 5 * 2


def test_a_shift_of_three_tenths_is_found_in_three_blocks(world, reference, start) -> None:
    """2,000 rows a block; ten of ten seeds; no other column is declared."""
    for seed in range(10):
        calm, moved = world(100 + seed, 2000, 3), world(200 + seed, 2000, 3, shift=0.3)
        moved = moved.with_columns(pl.col("at") + 3 * DAY)
        found = {
            one.column: one
            for one in drift(reference, _blocks(pl.concat([calm, moved]), reference, start, 6))
        }
        wind = found.pop("wind").declared
        assert not wind[:3].any()
        assert wind[3:].any()
        assert not any(one.declared.any() for one in found.values())


def test_categories_that_change_are_found(world, reference, start) -> None:
    frame = world(1, 1000, 2).with_columns(
        carrier=pl.when(pl.col("carrier") == "AA").then(pl.lit("ZZ")).otherwise("carrier")
    )
    found = {d.column: d for d in drift(reference, _blocks(frame, reference, start, 2))}
    assert found["carrier"].measure == "total_variation"
    assert found["carrier"].declared.all()
    assert found["carrier"].effect[-1] == pytest.approx(0.4, abs=0.05)


def test_the_prediction_comes_first_and_carries_its_harm(world, reference, start) -> None:
    frame = world(2, 1000, 2).with_columns(prediction=0.35 + 0.3 * pl.col("prediction"))
    found = drift(reference, _blocks(frame, reference, start, 2))
    assert found[0].column == "prediction"
    assert found[0].declared.all()
    assert found[0].harm[-1] > 0.05  # scores near one half are wrong more often


def test_too_few_rows_say_nothing(world, reference, start) -> None:
    found = drift(reference, _blocks(world(3, 25, 7, shift=3.0), reference, start, 7))
    for one in found:
        assert not one.enough.any()
        assert np.isnan(one.low).all()
        assert not one.declared.any()


def test_thin_traffic_is_measured_over_more_blocks(world, reference, start) -> None:
    """110 rows a block, where 200 are needed: nothing until there are three together."""
    found = drift(reference, _blocks(world(3, 110, 6, shift=1.0), reference, start, 6))
    for one in found:
        assert one.enough.tolist() == [False, True, True, True, True, True]
        assert not (one.span[one.enough] == 1).any()
    wind = next(one for one in found if one.column == "wind")
    assert wind.declared[1:].all()
    assert wind.span[2] == 3


def test_a_small_shift_is_found_over_a_week(world, reference, start) -> None:
    """0.17 standard deviations, 500 rows a day, in eight of ten within 14 days."""
    soon = 0
    for seed in range(10):
        frame = world(300 + seed, 500, 14, shift=0.17)
        found = {one.column: one for one in drift(reference, _blocks(frame, reference, start, 14))}
        wind = found["wind"]
        soon += bool(wind.declared.any())
        assert (wind.span[wind.declared & (wind.span > 1)] > 1).all()
    assert soon >= 8


@pytest.mark.parametrize("rows", [500, 5000])
def test_days_that_hang_together_keep_the_budget(start, rows: int) -> None:
    """Eight inputs whose days move by 0.15 sd, each resembling the day before by 0.7.

    One declaration a month is granted (and pairs have a fifth of it); in 12 months fewer than 20
    runs, which a Poisson count with mean 12 exceeds in two of a hundred.
    """
    rng = np.random.default_rng(7)
    runs = 0
    for _ in range(6):
        held, after = _following_days(rng, 28, 500), _following_days(rng, 60, rows)
        names = [name for name in held.columns if name.startswith("x")]
        zeros = np.zeros(held.height)
        reference = freeze(held, zeros, zeros, task="binary", features=names, at=held["at"])
        for one in drift(reference, _blocks(after, reference, start, 60)):
            flags = np.flatnonzero(one.declared)
            runs += int(np.count_nonzero(np.diff(flags, prepend=-9) > 3))
    assert runs < 20


def _following_days(rng, days: int, rows: int) -> pl.DataFrame:
    level = rng.normal(size=(days, 8))
    for i in range(1, days):
        level[i] = 0.7 * level[i - 1] + np.sqrt(0.51) * level[i]
    n = days * rows
    x = np.repeat(0.15 * level, rows, axis=0) + rng.normal(size=(n, 8))
    at = np.datetime64("2013-01-01", "us") + (np.arange(n) * (86_400_000_000 // rows)).astype(
        "m8[us]"
    )
    return pl.DataFrame(
        {"at": at, **{f"x{i}": x[:, i] for i in range(8)}, "prediction": rng.random(n)}
    ).with_columns(pl.col("at").dt.replace_time_zone("UTC"))


def test_weather_is_not_drift(start) -> None:
    """Days that differ by 0.8 sd in the reference may differ so in production."""
    rng = np.random.default_rng(4)

    def days(number: int) -> pl.DataFrame:
        level = np.repeat(0.8 * rng.normal(size=number), 500)
        n = level.size
        at = np.datetime64("2013-01-01", "us") + np.arange(n) * np.timedelta64(
            86_400_000_000 // 500, "us"
        )
        return pl.DataFrame(
            {"at": at, "t": level + rng.normal(size=n), "prediction": rng.random(n)}
        ).with_columns(pl.col("at").dt.replace_time_zone("UTC"))

    held = days(60)
    truth = rng.random(held.height) < held["prediction"].to_numpy()
    losses = (held["prediction"].to_numpy() - truth) ** 2
    arguments = {"task": "binary", "features": ["t"]}
    taught = freeze(held, truth, losses, at=held["at"], **arguments)
    naive = freeze(held, truth, losses, **arguments)
    frame = days(60)
    by = {
        name: drift(ref, _blocks(frame, ref, start, 60))[1].declared.mean()
        for name, ref in (("taught", taught), ("naive", naive))
    }
    assert by["taught"] <= 0.1
    assert by["naive"] > 0.4


def test_no_blocks_at_all(reference, start, world) -> None:
    found = drift(reference, _blocks(world(5, 10), reference, start, 0))
    assert all(one.declared.size == 0 for one in found)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("", None), ("0", None), ("1", 0), ("0011", 2), ("1001", 0), ("10001", 4), ("110", None)],
)
def test_runs_bridge_short_gaps(flags: str, expected: int | None) -> None:
    assert run_start(np.array([c == "1" for c in flags], dtype=bool)) == expected


def test_the_least_share_is_that_from_which_something_is_declared(world, reference, start) -> None:
    """At whatever share of the budget a model is judged, its level says whether it has any."""
    for seed, shift in enumerate((0.0, 0.15, 0.2, 0.25, 0.5)):
        seen = _blocks(world(seed, 700, 6, shift=shift), reference, start, 6)
        parts, prices = [measure(reference, seen)], [float(len(reference.bins))]
        level = judge(parts, prices, 1.0).level
        for share in np.geomspace(1e-6, 1.0, 30):
            found = judge(parts, prices, 1.0, budget=share)
            assert found.level == level
            assert any(one.declared[-1] for one in found.parts[0]) == (level <= share)


def test_blocks_are_judged_each_at_its_own_share(world, reference, start) -> None:
    seen = _blocks(world(8, 2000, 6, shift=0.3), reference, start, 6)
    parts, prices = [measure(reference, seen)], [float(len(reference.bins))]
    half = np.array([1.0, 1.0, 1.0, 1e-9, 1e-9, 1e-9])
    whole, none, both = (
        judge(parts, prices, 1.0, budget=each).parts[0] for each in (1.0, 1e-9, half)
    )
    for one, other, mixed in zip(whole, none, both, strict=True):
        assert mixed.declared.tolist() == [*one.declared[:3], *other.declared[3:]]
        assert (other.floor >= one.floor).all()


def test_nothing_can_be_judged_without_enough_rows(world, reference, start) -> None:
    seen = _blocks(world(3, 25, 7, shift=3.0), reference, start, 7)
    assert judge([measure(reference, seen)], [6.0], 1.0).level is None
