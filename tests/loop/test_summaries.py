"""Summaries on disk, and what of them is kept in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from holdfast.loop.summaries import SummaryStore
from holdfast.monitoring.cells import SCHEMA
from holdfast.monitoring.merge import compact

T = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = ["hour", "slice", "column"]


def counts(hour: float, n: int = 1, column: str = "x") -> pl.DataFrame:
    row: dict[str, Any] = {
        "model": "m", "version": 1, "hour": T + timedelta(hours=hour), "slice": "",
        "column": column, "n": n, "cells": [1, 4], "counts": [n, 2 * n], "total": 1.5 * n,
        "squares": 2.25 * n, "low": 0.5, "high": float(n),
    }  # fmt: skip
    return pl.DataFrame([row], schema=SCHEMA)


@pytest.fixture
def store(tmp_path: Any) -> SummaryStore:
    return SummaryStore(tmp_path)


def loaded(store: SummaryStore, start: float, end: float, **given: Any) -> pl.DataFrame:
    hours = timedelta(hours=1)
    found = store.load("m", 1, T + start * hours, T + end * hours, **given)
    return pl.DataFrame(schema=SCHEMA) if found is None else compact(found).sort(KEY)


def test_what_is_kept_is_what_is_there(store: SummaryStore, tmp_path: Any) -> None:
    """Further batches, a batch that was written again, and one that is gone."""

    def same(start: float = 0, end: float = 72, **given: Any) -> pl.DataFrame:
        found = loaded(store, start, end, **given)
        assert_frame_equal(found, loaded(SummaryStore(tmp_path), start, end, **given))
        return found

    assert store.load("m", 1, T, T + DAY) is None
    store.write("m", 1, pl.concat([counts(1), counts(30)]), "a-1")
    assert same()["n"].to_list() == [1, 1]
    store.write("m", 1, pl.concat([counts(1, 5), counts(2, 7)]), "a-2")
    assert same()["n"].to_list() == [6, 7, 1]
    assert same(length=DAY)["n"].to_list() == [13, 1]
    assert same(2, 30, length=DAY)["n"].to_list() == [7], "a part of a day stays in hours"
    store.write("m", 1, pl.concat([counts(1, 11), counts(2, 7)]), "a-2")
    assert same(length=DAY)["n"].to_list() == [19, 1]
    (tmp_path / "model=m/version=1/date=2024-03-01/a-2.parquet").unlink()
    assert same(length=DAY)["n"].to_list() == [1, 1]


def test_whole_days_come_as_one_only_for_blocks_of_days(store: SummaryStore) -> None:
    store.write("m", 1, pl.concat([counts(hour, 1 + hour) for hour in range(48)]), "a-1")
    for hours in (1, 6, 36):
        assert loaded(store, 0, 48, length=timedelta(hours=hours)).height == 48
    for days in (1, 7):
        found = loaded(store, 0, 48, length=days * DAY)
        assert found["n"].to_list() == [300, 876]
        assert found["total"].to_list() == [450.0, 1314.0]
        assert found["high"].to_list() == [24.0, 48.0]


def test_what_does_not_fit_is_read_again(tmp_path: Any) -> None:
    store = SummaryStore(tmp_path, most=500)
    store.write("m", 1, pl.concat([counts(hour) for hour in range(0, 240, 5)]), "a-1")
    for _ in range(2):
        assert loaded(store, 0, 240, length=DAY)["n"].sum() == 48
        assert sum(day.size for day in store._days.values()) <= 500
