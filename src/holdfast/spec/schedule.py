"""When a cron expression is due, in a zone that has summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


def check_schedule(expression: str) -> None:
    """Refuses a cron expression that cannot be meant.

    Raises:
        ValueError: when it is not one of five fields, or never comes due.
    """
    from croniter import croniter
    from croniter.croniter import CroniterError

    if len(expression.split()) != 5 or not croniter.is_valid(expression):
        raise ValueError(f"'{expression}' is not a cron expression of five fields")
    try:
        croniter(expression, datetime(2024, 1, 1)).get_next(datetime)  # noqa: DTZ001 - of no zone
    except CroniterError:
        raise ValueError(f"'{expression}' never comes due") from None


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        ValueError: when there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone '{name}', such as Europe/Berlin") from None


def last_due(expression: str, zone: str, now: datetime) -> datetime:
    """The last moment, up to ``now``, at which a schedule came due; aware UTC.

    The fields of cron name times of the clock on the wall. A time that the clock skips in spring
    comes due as long after the jump as it would have been after its beginning, and one that it
    shows twice in autumn the first time only: each is due exactly once.

    Args:
        expression: of :func:`check_schedule`.
        zone: IANA name.
        now: aware time.

    >>> berlin = ("30 2 * * *", "Europe/Berlin")
    >>> last_due(*berlin, datetime(2026, 3, 29, 12, tzinfo=UTC)).isoformat()
    '2026-03-29T01:30:00+00:00'
    >>> last_due(*berlin, datetime(2026, 10, 25, 12, tzinfo=UTC)).isoformat()
    '2026-10-25T00:30:00+00:00'
    """
    from croniter import croniter

    here = zone_of(zone)
    now = now.astimezone(UTC)
    local = now.astimezone(here).replace(tzinfo=None)
    # Around a jump the order on the wall is not the order in time, by so much at most.
    shift = abs(_offset(now, here) - _offset(now - _DAY, here))
    steps = croniter(expression, local + shift + _SECOND)
    found: list[datetime] = []
    while True:
        wall = steps.get_prev(datetime)
        if found and wall < local - shift:
            return max(found)
        due: datetime = wall.replace(tzinfo=here, fold=0).astimezone(UTC)
        if due <= now:
            found.append(due)
            if not shift:
                return due


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta(0)
