"""Rows of broken times are left out and counted; what touches is one spell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from holdfast.data.leave_out import leave_out
from holdfast.records import Spell, joined

START = datetime(2026, 1, 1, tzinfo=UTC)


def _spell(start: int, end: int, why: str = "nulls") -> Spell:
    return Spell(start=START + timedelta(days=start), end=START + timedelta(days=end), why=why)


def test_spells_that_overlap_or_touch_are_one() -> None:
    found = joined([_spell(8, 9), _spell(1, 3), _spell(3, 4, "unit"), _spell(2, 3)])
    assert found == (_spell(1, 4, "nulls; unit"), _spell(8, 9))


def test_rows_within_are_left_out_and_counted() -> None:
    frame = pl.DataFrame({"at": [START + timedelta(days=day) for day in range(10)]})
    kept, left = leave_out(frame, "at", [_spell(2, 4), _spell(20, 21)])
    assert kept["at"].dt.day().to_list() == [1, 2, 5, 6, 7, 8, 9, 10]
    assert [(one.start, one.rows) for one in left] == [(START + timedelta(days=2), 2)]
