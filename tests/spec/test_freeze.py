"""Freeze windows: by the clock of their zone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import SpecError
from holdfast.spec import parse_spec
from holdfast.spec.freeze import frozen, parse_window

WEEKEND = "fri 16:00 - mon 08:00 Europe/Berlin"


@pytest.mark.parametrize(
    ("window", "time", "holds"),
    [
        (WEEKEND, "2024-01-05T14:59", False),  # winter: Berlin is one hour ahead
        (WEEKEND, "2024-01-05T15:00", True),
        (WEEKEND, "2024-01-07T12:00", True),
        (WEEKEND, "2024-01-08T06:59", True),
        (WEEKEND, "2024-01-08T07:00", False),
        (WEEKEND, "2024-07-05T13:59", False),  # summer: two
        (WEEKEND, "2024-07-05T14:00", True),
        (WEEKEND, "2024-03-31T02:30", True),  # the hour that does not exist
        ("22:00 - 06:00 UTC", "2024-01-01T23:00", True),
        ("22:00 - 06:00 UTC", "2024-01-01T05:59", True),
        ("22:00 - 06:00 UTC", "2024-01-01T06:00", False),
        ("09:00 - 17:00 Asia/Kolkata", "2024-01-01T03:29", False),
        ("09:00 - 17:00 Asia/Kolkata", "2024-01-01T03:30", True),
        ("sat - sun UTC", "2024-01-05T23:59", False),
        ("sat - sun UTC", "2024-01-06T00:00", True),
        ("sat - sun UTC", "2024-01-07T23:59", True),
        ("sat - sun UTC", "2024-01-08T00:00", False),
        ("mon - sun UTC", "2024-01-08T00:00", True),
        ("2023-12-20 - 2024-01-02 UTC", "2024-01-02T23:59", True),
        ("2023-12-20 - 2024-01-02 UTC", "2024-01-03T00:00", False),
        ("2023-12-20 12:00 - 2024-01-02 12:00 UTC", "2023-12-20T11:59", False),
    ],
)
def test_windows(window: str, time: str, holds: bool) -> None:
    now = datetime.fromisoformat(time).replace(tzinfo=UTC)
    assert frozen((window,), now) == (window if holds else "")


@given(
    st.integers(0, 1439), st.integers(0, 1439),
    st.integers(0, 40 * 366 * 24 * 60),
)  # fmt: skip
def test_a_daily_window_and_its_complement_share_out_the_day(a: int, b: int, later: int) -> None:
    now = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(minutes=later)
    first, second = (f"{m // 60:02}:{m % 60:02}" for m in (a, b))
    if a == b:
        with pytest.raises(ValueError, match="ends before"):
            parse_window(f"{first} - {second} UTC")
        return
    one = parse_window(f"{first} - {second} UTC")
    other = parse_window(f"{second} - {first} UTC")
    assert one.holds(now) != other.holds(now)
    assert one.holds(now) == one.holds(now + timedelta(days=1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("weekends", "no window of the form"),
        ("fri 16:00 - mon 08:00", "no time zone '08:00'"),
        ("fri 16:00 - mon 08:00 Mars/Olympus", "no time zone 'Mars/Olympus'"),
        ("fri 16:00 - mon 08:00 ../etc", "no time zone"),
        ("fri 16:00 - 08:00 UTC", "different kinds"),
        ("fri 25:00 - mon 08:00 UTC", "no hour"),
        ("someday - mon UTC", "neither a weekday"),
        ("2024-02-30 - 2024-03-01 UTC", "neither a weekday"),
        ("2024-03-02 - 2024-03-01 UTC", "ends before"),
    ],
)
def test_what_is_no_window_is_refused_when_the_spec_is_read(text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        parse_spec(
            f"""
            [model]
            name = "a"
            task = "binary"
            train = "m:f"
            [data]
            source = "x.csv"
            time = "t"
            label = "y"
            features = ["x"]
            [gate]
            metric = "roc_auc"
            [release]
            freeze = ["{text}"]
            """
        )
