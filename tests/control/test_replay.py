"""The page of a replay: every course, every event, nothing from elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from holdfast.control.replay import page
from holdfast.control.replay_chart import Course, replay_chart, thinned
from holdfast.loop.replay.outcome import SERIES_SCHEMA
from holdfast.loop.replay.results import Change, Harm, Outcome, Page, Result, Training

BEGIN, DAY = datetime(2025, 1, 1, tzinfo=UTC), timedelta(days=1)


def _outcome(name: str, kind: str, **more: object) -> Outcome:
    return Outcome(
        name=name, kind=kind, policy={}, rows=1000, labelled=900, loss=0.2, metric=0.7,  # type: ignore[arg-type]
        tolerated=0.25, **more,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def result() -> Result:
    told = Page(
        at=BEGIN + 9 * DAY, kind="realised_loss", version=1, since=BEGIN + 8 * DAY,
        until=BEGIN + 9 * DAY, sentence="<b>It</b> is worse.", truth="true", loss=0.4,
        tolerated=0.25, labels=300,
    )  # fmt: skip
    loop = _outcome(
        "with the loop", "loop", pages=(told,),
        harms=(
            Harm(
                start=BEGIN + 8 * DAY, end=BEGIN + 12 * DAY, loss=0.4, tolerated=0.25, labels=400,
                found_at=told.at, found_by="page", delay_hours=24.0,
            ),
        ),
        trainings=(
            Training(
                at=BEGIN + 10 * DAY, trigger="quality", reason="It is worse.", version=2, rows=500,
                seconds=4.0, outcome="live",
            ),
        ),
        changes=(
            Change(at=BEGIN + 11 * DAY, version=2, kind="release"),
            Change(at=BEGIN + 13 * DAY, version=1, kind="rollback"),
        ),
    )  # fmt: skip
    return Result(
        model="m", task="binary", metric_name="roc_auc", start=BEGIN, begin=BEGIN,
        end=BEGIN + 400 * DAY, rows=5000, first_rows=1000,
        courses=(loop, _outcome("never retrained", "without")), notes=("To know.",),
    )  # fmt: skip


def _series(result: Result) -> pl.DataFrame:
    rows = [
        {
            "course": one.name, "start": BEGIN + day * DAY, "rows": 10, "labelled": 9,
            "loss": None if day % 50 == 7 else 0.1 + 0.001 * day, "low": 0.1, "high": 0.3,
            "metric": 0.7,
        }
        for one in result.courses for day in range(400)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SERIES_SCHEMA)


def test_everything_is_on_the_page_and_escaped(result: Result) -> None:
    text = page(result, _series(result), BEGIN)
    assert "<b>It</b>" not in text
    assert "&lt;b&gt;It&lt;/b&gt; is worse." in text
    for said in (
        "never retrained",
        "To know.",
        "went live",
        "24 h",
        "woken once, never for nothing",
    ):
        assert said in text
    assert "<script" not in text


def test_the_chart_has_a_mark_for_each_event(result: Result) -> None:
    series = _series(result)
    drawn = [
        Course(one, place, series.filter(pl.col("course") == one.name))
        for place, one in enumerate(result.courses)
    ]
    few, grain = thinned(drawn, 110)
    assert grain == "7 days"
    assert all(len(one.series) <= 110 for one in few)
    chart = ET.fromstring(replay_chart(few, result, width=1080))
    kinds = [element.get("class") or "" for element in chart.iter()]
    for kind in ("harm", "training", "page true", "change release", "change rollback", "tolerated"):
        assert kinds.count(kind) == 1, kind
    assert sum(kind.startswith("course-") and "swatch" not in kind for kind in kinds) >= 2


def test_means_are_weighted_by_labels(result: Result) -> None:
    start = [BEGIN + place * DAY for place in range(4)]
    series = pl.DataFrame(
        {
            "course": ["c"] * 4, "start": start, "rows": [9] * 4, "labelled": [1, 3, 0, 0],
            "loss": [0.0, 0.4, None, None], "low": [0.0] * 4, "high": [1.0] * 4,
            "metric": [0.5] * 4,
        },
        schema=SERIES_SCHEMA,
    )  # fmt: skip
    (one,), _ = thinned([Course(result.courses[0], 0, series)], 2)
    assert one.series["loss"].to_list() == [pytest.approx(0.3), None]
