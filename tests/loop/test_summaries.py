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
from holdfast.recording import parquet

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


def test_many_small_files_are_added_up(store: SummaryStore, tmp_path: Any) -> None:
    """Whoever has read all along sees the same as who begins now, and as if nothing were merged."""
    folder = tmp_path / "model=m/version=1/date=2024-03-01"
    reader, batches = SummaryStore(tmp_path), []
    for number in range(3 * parquet.FAN_IN):
        batches.append(counts(number % 3, number + 1, "xy"[number % 2]))
        for _ in range(2):  # as after a failure: the newest batch is written again
            store.write("m", 1, batches[-1], f"a-{number:03d}")
        if number % 7 in (0, 3):
            assert_frame_equal(loaded(reader, 0, 24), expected_of(batches))
    assert_frame_equal(loaded(SummaryStore(tmp_path), 0, 24), expected_of(batches))
    live = parquet.live_files(folder)
    assert len(live) < parquet.FAN_IN + 3
    for path in set(folder.iterdir()) - set(live):  # as the next merge does, after a while
        path.unlink()
    assert_frame_equal(loaded(reader, 0, 24), expected_of(batches))
    assert_frame_equal(loaded(SummaryStore(tmp_path), 0, 24, length=DAY), expected_of(batches, DAY))


def expected_of(batches: list[pl.DataFrame], every: timedelta | None = None) -> pl.DataFrame:
    return compact(pl.concat(batches), every).sort(KEY)
