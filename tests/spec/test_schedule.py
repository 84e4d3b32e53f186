"""Schedules in zones with summer time: each time of the wall's clock is due exactly once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.spec.schedule import check_schedule, last_due, zone_of

JUMPS = {  # about when the clock jumps, in UTC
    "Europe/Berlin": ["2026-03-29T01", "2026-10-25T01"],
    "America/New_York": ["2026-03-08T07", "2026-11-01T06"],
    "Australia/Lord_Howe": ["2026-04-04T15", "2026-10-03T15"],
    "UTC": ["2026-03-29T01"],
}
CASES = [
    (zone, datetime.fromisoformat(at).replace(tzinfo=UTC))
    for zone, times in JUMPS.items()
    for at in times
]


def _dues(expression: str, zone: str, start: datetime, end: datetime, step: int) -> list[datetime]:
    """What somebody sees who asks every so many minutes."""
    seen = []
    now = start
    while now < end:
        due = last_due(expression, zone, now)
        assert due <= now
        if due >= start and due not in seen:
            assert not seen or due > seen[-1]
            seen.append(due)
        now += timedelta(minutes=step)
    return seen


@pytest.mark.parametrize(("zone", "jump"), CASES)
@pytest.mark.parametrize("time", ["0 1", "59 1", "0 2", "10 2", "30 2", "59 2", "0 3", "15 3"])
def test_a_daily_schedule_is_due_once_a_day(zone: str, jump: datetime, time: str) -> None:
    here = ZoneInfo(zone)
    noon = datetime(jump.year, jump.month, jump.day, 12, tzinfo=here)
    start, end = (noon - timedelta(days=2)).astimezone(UTC), noon + timedelta(days=2)
    dues = _dues(f"{time} * * *", zone, start, end.astimezone(UTC), 7)
    days = [due.astimezone(here).date() for due in dues]
    assert len(days) == len(set(days)) == 4


def test_the_hour_that_is_skipped_and_the_hour_that_is_doubled() -> None:
    berlin = "Europe/Berlin"
    for expression, day, expected in [
        ("30 2 * * *", datetime(2026, 3, 29, tzinfo=UTC), ["01:30"]),  # half past three, in fact
        ("30 2 * * *", datetime(2026, 10, 25, tzinfo=UTC), ["00:30"]),  # the first half past two
        ("30 2,3 * * *", datetime(2026, 3, 29, tzinfo=UTC), ["01:30"]),  # both are one moment
        ("0,30 2 * * *", datetime(2026, 10, 25, tzinfo=UTC), ["00:00", "00:30"]),
        ("30 2,3 * * *", datetime(2026, 10, 25, tzinfo=UTC), ["00:30", "02:30"]),
    ]:
        dues = _dues(expression, berlin, day, day + timedelta(hours=20), 3)
        assert [f"{due:%H:%M}" for due in dues] == expected, (expression, day)


@given(
    st.sampled_from(CASES), st.integers(0, 59), st.sampled_from(["*", "2", "1,2,3", "*/2"]),
    st.integers(-200, 200),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_however_often_one_asks_the_same_comes_due(case, minute, hours, offset) -> None:
    zone, jump = case
    start = jump + timedelta(minutes=offset) - timedelta(hours=3)
    expression = f"{minute} {hours} * * *"
    often = _dues(expression, zone, start, start + timedelta(hours=7), 5)
    # Whoever asks seldom sees fewer, but none that the other did not, and the last one for sure.
    seldom = _dues(expression, zone, start, start + timedelta(hours=7), 90)
    assert set(seldom) <= set(often)
    end = start + timedelta(hours=7) - timedelta(minutes=5)
    assert not often or last_due(expression, zone, end) == often[-1]


def test_it_is_due_at_the_very_second() -> None:
    three = datetime(2026, 6, 1, 3, tzinfo=UTC)
    assert last_due("0 3 * * *", "UTC", three) == three
    before = three - timedelta(milliseconds=500)
    assert last_due("0 3 * * *", "UTC", before) == three - timedelta(days=1)


@pytest.mark.parametrize(
    "wrong", ["0 3 * *", "0 3 * * * *", "61 3 * * *", "0 0 30 2 *", "daily", "@daily", ""]
)
def test_what_is_no_schedule(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"cron|comes due"):
        check_schedule(wrong)


@pytest.mark.parametrize("wrong", ["Berlin", "", "../etc/passwd", "Europe", "UTC+1\0"])
def test_what_is_no_zone(wrong: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        zone_of(wrong)
