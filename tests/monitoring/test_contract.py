"""Broken inputs: hard breaks page, seasons do not."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from holdfast.monitoring.contract import contract_findings
from holdfast.monitoring.count import count
from holdfast.monitoring.merge import blocks

DAY = timedelta(days=1)
ORIGINS = ("EWR", "JFK", "LGA")


def _check(frame, reference, start, days, slices=False):
    rows = count(frame, reference, model="late", version=1, slices=["origin"])
    window = {"since": start, "until": start + days * DAY, "length": DAY}
    seen = blocks(rows, reference.bins, **window)
    keys = [f"origin={name}" for name in ORIGINS] if slices else []
    parts = {key: blocks(rows, reference.bins, slice_key=key, **window) for key in keys}
    found = contract_findings(reference, seen, parts, model="late", version=1, minimum=200)
    return {one.subject: one for one in found}


def _from(day: int, broken: pl.Expr, name: str, start) -> pl.Expr:
    return (
        pl.when(pl.col("at") >= start + day * DAY).then(broken).otherwise(pl.col(name)).alias(name)
    )


def test_nothing_is_broken(world, reference, start) -> None:
    for seed in range(8):
        assert _check(world(seed, 500, 10), reference, start, 10, slices=True) == {}


@pytest.mark.parametrize(
    ("name", "broken", "subject"),
    [
        ("wind", pl.lit(None, dtype=pl.Float64), "wind.null"),
        ("carrier", pl.lit("XX"), "carrier.unseen"),
        ("carrier", pl.lit("AA"), "carrier.constant"),
        ("wind", pl.lit(11.0), "wind.constant"),
        ("wind", pl.col("wind") * 0.51 + 60, "wind.range"),
        ("prediction", pl.lit(0.2), "prediction.constant"),
    ],
)
def test_hard_breaks_page(world, reference, start, name, broken, subject) -> None:
    frame = world(1, 500, 12).with_columns(_from(5, broken, name, start))
    found = _check(frame, reference, start, 12)
    assert found[subject].pages
    assert found[subject].since == start + 5 * DAY
    assert f"'{name}'" in found[subject].sentence
    others = [one for key, one in found.items() if not key.startswith(name)]
    assert others == []


def test_half_a_problem_is_told_but_does_not_page(world, reference, start) -> None:
    some = pl.when(pl.col("carrier") == "B6").then(pl.lit(None, dtype=pl.Float64)).otherwise("wind")
    frame = world(2, 500, 3).with_columns(_from(1, some, "wind", start))
    (finding,) = _check(frame, reference, start, 3).values()
    assert (finding.subject, finding.pages) == ("wind.null", False)
    assert finding.value == pytest.approx(0.31, abs=0.06)


def test_a_unit_change_is_seen_even_within_the_range(world, reference, start) -> None:
    frame = world(3, 500, 6).with_columns(_from(3, pl.col("wind") * 0.35, "wind", start))
    found = _check(frame, reference, start, 6)
    assert found["wind.unit"].pages


def test_a_season_creeps_out_of_range_without_a_page(world, reference, start) -> None:
    frame = world(4, 300, 40).with_columns(
        wind=pl.col("wind") + (pl.col("at") - start).dt.total_days() * 0.8
    )
    found = _check(frame, reference, start, 40)
    assert found
    assert not any(one.pages for one in found.values())


def test_dry_days_are_no_frozen_feed(world, reference, start) -> None:
    frame = world(5, 300, 6).with_columns(rain=pl.lit(0.0))
    assert "rain.constant" not in _check(frame, reference, start, 6)
    frame = world(5, 300, 20).with_columns(rain=pl.lit(0.0))
    assert _check(frame, reference, start, 20)["rain.constant"].pages


def test_a_feed_frozen_by_airport_shows_in_its_slices(world, reference, start) -> None:
    frozen = pl.col("origin").replace_strict({"EWR": 9.0, "JFK": 10.0, "LGA": 12.0})
    frame = world(6, 600, 8).with_columns(_from(2, frozen, "wind", start))
    assert "wind.constant" not in _check(frame, reference, start, 8)
    assert _check(frame, reference, start, 8, slices=True)["wind.constant"].pages


def test_a_mended_feed_is_no_finding(world, reference, start) -> None:
    frame = world(7, 500, 6).with_columns(
        wind=pl.when(pl.col("at") < start + 5 * DAY).then(np.nan).otherwise("wind")
    )
    assert _check(frame, reference, start, 6) == {}
