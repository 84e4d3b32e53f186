"""A week whose data are broken upstream: it pages, is not trained on, and nothing is promoted.

When the data heal, the loop goes on by itself, without the rows of that week.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest
from tests.loop.simulation import DAY, START, Life, World

from holdfast.spec import Retrain

WEEK = range(75, 82)
POLICY = Retrain(
    on=("drift", "schedule"), schedule="0 6 * * 5", cooldown=timedelta(days=1), window=60 * DAY
)
WIND, LOAD = pl.col("wind"), pl.col("load")
BREAKS = {
    "unit": WIND * 3.6,
    "frozen": pl.lit(41.5).alias("load"),
    "nulls": pl.when(pl.int_range(pl.len()) % 10 < 8).then(None).otherwise(WIND).alias("wind"),
}


def _breaking(expression: pl.Expr) -> Callable[[int, pl.DataFrame], pl.DataFrame]:
    return lambda day, rows: rows.with_columns(expression) if day in WEEK else rows


@pytest.mark.parametrize("kind", BREAKS)
def test_a_week_of_broken_data(kind: str) -> None:
    life = Life(World(seed=5, breaking=_breaking(BREAKS[kind])), POLICY).live(40)
    begin, end = START + WEEK[0] * DAY, START + (WEEK[-1] + 1) * DAY
    paged = [
        day for day, seen in life.looks
        if any(one.pages and one.kind == "contract" for one in seen.findings)
    ]  # fmt: skip
    assert paged, "nobody was told"
    assert paged[0] <= WEEK[0] + 2
    assert paged[-1] == WEEK[-1], "it is over when the data are whole again"
    seen_broken = START + (paged[0] + 1) * DAY

    during = [one for one in life.decisions if seen_broken <= one.at <= end]
    assert {one.action for one in during} <= {"alert", "block"}
    blocked = [one for one in during if one.action == "block"]
    assert blocked, "the schedule came due in that week"
    assert all("data are broken" in one.reason for one in blocked)
    assert not [at for at, _ in life.released if seen_broken <= at <= end]
    assert not [at for at in life.retrains if seen_broken <= at <= end]
    assert life.rolled_back == [], "no model was at fault"

    after = [at for at in life.retrains if at > end]
    assert after, "the loop goes on by itself"
    assert min(after) <= end + 8 * DAY
    for version, at in zip(life.versions[1:], life.retrains, strict=True):
        if at > end:
            used = version.rows.filter(pl.col("at").is_between(begin, end, closed="left"))
            assert used.is_empty()
            assert sum(one.rows for one in life.left_out[version.number - 1]) > 1000
    assert [at for at, _ in life.released if at > end], "and what it trains is released"
