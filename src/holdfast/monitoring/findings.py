"""What findings of all kinds share: their id and their words."""

from __future__ import annotations

from datetime import datetime, timedelta

from holdfast.records import FindingKind, digest

# How the budget of false pages is shared among the monitors that may page.
REALISED_SHARE = 0.5
ESTIMATED_SHARE = 0.25


def finding_id(model: str, version: int, kind: FindingKind, subject: str, since: datetime) -> str:
    """The same for the same thing, however often and by whomever it is found."""
    text = "\n".join([model, str(version), kind, subject, since.isoformat()])
    return "fnd-" + digest(text.encode()).removeprefix("sha256:")[:24]


def day(time: datetime) -> str:
    """A time for a sentence.

    >>> from datetime import UTC
    >>> day(datetime(2013, 7, 3, tzinfo=UTC)), day(datetime(2013, 7, 3, 6, 30, tzinfo=UTC))
    ('3 July 2013', '3 July 2013, 06:30')
    """
    text = f"{time.day} {time:%B %Y}"
    return text if time.hour == time.minute == 0 else f"{text}, {time:%H:%M}"


def looks_per_month(length: timedelta) -> float:
    """Looks in thirty days."""
    return timedelta(days=30) / length
