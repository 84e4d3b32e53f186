"""Freeze windows, in which nothing goes forward: ``START - END ZONE``, by the clock of a zone.

A window repeats each week (``fri 16:00 - mon 08:00``) or each day (``22:00 - 06:00``), or is one
stretch of the calendar (``2026-12-20 - 2027-01-03``). It holds from its start until just before its
end; a weekday or date without an hour begins at its midnight and ends with the day.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
_WEEK = 7 * _DAY
_TEXT = re.compile(r"(\S+(?: \d\d:\d\d)?) - (\S+(?: \d\d:\d\d)?) (\S+)")


class Window(NamedTuple):
    """A window. ``start`` and ``end`` are minutes of a ``period`` (day or week), or since the year
    1 where ``period`` is None.
    """

    start: int
    end: int
    period: int | None
    zone: ZoneInfo

    def holds(self, now: datetime) -> bool:
        """Whether an aware time lies in it; by the wall clock of its zone, so summer time is no
        matter.

        >>> from datetime import UTC
        >>> window = parse_window("fri 16:00 - mon 08:00 Europe/Berlin")
        >>> window.holds(datetime(2024, 5, 3, 13, 59, tzinfo=UTC))  # a Friday, 15:59 in Berlin
        False
        >>> window.holds(datetime(2024, 5, 3, 14, 0, tzinfo=UTC))
        True
        """
        local = now.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        if self.period is None:
            return self.start <= local.toordinal() * _DAY + minute < self.end
        if self.period == _WEEK:
            minute += local.weekday() * _DAY
        return (minute - self.start) % self.period < (self.end - self.start) % self.period or (
            self.end - self.start == self.period
        )


def frozen(windows: Sequence[str], now: datetime) -> str:
    """The first window that holds at a time; empty when none does.

    Raises:
        ValueError: when one is malformed.
    """
    return next((text for text in windows if parse_window(text).holds(now)), "")


def parse_window(text: str) -> Window:
    """Reads a window.

    Raises:
        ValueError: when it is malformed, has no length, or its zone does not exist.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"'{text}' is no window of the form START - END ZONE")
    first, last, name = found.groups()
    try:
        zone = ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, or no name of a file
        raise ValueError(f"there is no time zone '{name}'") from None
    start, period = _moment(first, end=False)
    end, other = _moment(last, end=True)
    if period != other:
        raise ValueError(f"'{text}' begins and ends with different kinds of time")
    if start == end or (period is None and end < start):
        raise ValueError(f"'{text}' ends before it begins")
    return Window(start, end, period, zone)


def _moment(text: str, *, end: bool) -> tuple[int, int | None]:
    """Minutes, and of which period."""
    head, _, clock = text.partition(" ")
    if ":" in head and not clock:
        return _minutes(head), _DAY
    minutes = _minutes(clock) if clock else (_DAY if end else 0)
    if head.lower() in DAYS:
        return DAYS.index(head.lower()) * _DAY + minutes, _WEEK
    try:
        return date.fromisoformat(head).toordinal() * _DAY + minutes, None
    except ValueError:
        raise ValueError(f"'{head}' is neither a weekday, an hour nor a date") from None


def _minutes(clock: str) -> int:
    try:
        moment = time.fromisoformat(clock)
    except ValueError:
        raise ValueError(f"'{clock}' is no hour such as 16:00") from None
    return moment.hour * 60 + moment.minute
