"""What findings of all kinds share: their id and their words."""

from __future__ import annotations

from datetime import datetime, timedelta

from holdfast.records import FindingKind, digest

PAGE_SHARES: dict[FindingKind, float] = {
    "realised_loss": 0.5,
    "estimated_loss": 0.25,
    "contract": 0.25,
}
"""How the budget of false pages is shared among what may page. Breaks of the contract follow from
judgements, not from a test: their share is kept free for them."""


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
