"""Numbers, times and records in the words of the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from holdfast.records import Finding, Release, ReleaseState

_KINDS = {
    "input_drift": "input drift",
    "prediction_drift": "prediction drift",
    "estimated_loss": "estimated loss",
    "realised_loss": "measured loss",
    "contract": "broken input",
    "silence": "silence",
    "label_delay": "delay of labels",
}


def when(time: datetime) -> str:
    """A time in UTC, to the minute.

    >>> when(datetime(2013, 7, 3, 6, 30, 59, tzinfo=UTC))
    '2013-07-03 06:30'
    """
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def exactly(time: datetime) -> str:
    """A time in UTC as ISO 8601, to the second.

    >>> exactly(datetime(2013, 7, 3, 6, 30, 59, tzinfo=UTC))
    '2013-07-03T06:30:59Z'
    """
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def ago(time: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits twice.

    >>> now = datetime(2024, 1, 2, tzinfo=UTC)
    >>> ago(now - timedelta(hours=30), now), ago(now, now)
    ('30 h ago', 'just now')
    """
    seconds = (now - time).total_seconds()
    return "just now" if seconds < 10 else f"{lasting(now - time)} ago"


def lasting(length: timedelta) -> str:
    """A duration in the largest unit that fits twice.

    >>> lasting(timedelta(days=3)), lasting(timedelta(minutes=95)), lasting(timedelta(seconds=8))
    ('3 d', '95 min', '8 s')
    """
    seconds = max(length.total_seconds(), 0.0)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def spelled(length: timedelta) -> str:
    """A length of full hours or days.

    >>> spelled(timedelta(days=7)), spelled(timedelta(days=1)), spelled(timedelta(hours=6))
    ('7 days', 'a day', '6 hours')
    """
    unit, size = ("day", timedelta(days=1)) if length >= timedelta(days=1) else (
        "hour", timedelta(hours=1)
    )  # fmt: skip
    count = length / size
    one = {"day": "a day", "hour": "an hour"}[unit]
    return one if count == 1 else f"{count:.3g} {unit}s"


def seconds(value: float) -> str:
    """A short time.

    >>> seconds(0.1384), seconds(2.51), seconds(0.00042)
    ('138 ms', '2.5 s', '0.42 ms')
    """
    if value < 0.01:
        return f"{value * 1000:.2g} ms"
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def number(value: int) -> str:
    """A count with thousands separators.

    >>> number(1234567)
    '1,234,567'
    """
    return f"{value:,}"


def loss(value: float | None) -> str:
    """A bounded loss or an effect, to three digits; a dash for none.

    >>> loss(0.14821), loss(None), loss(-0.0001)
    ('0.148', '–', '0.000')
    """
    if value is None:
        return "–"
    text = f"{value:.3f}"
    return text.removeprefix("-") if not text.strip("-0.") else text.replace("-", "−")


def signed(value: float | None) -> str:
    """A change, with its sign.

    >>> signed(0.0123), signed(-0.02), signed(0.0)
    ('+0.012', '−0.020', '0.000')
    """
    text = loss(value)
    return f"+{text}" if value is not None and value > 0 and text != "0.000" else text


def share(value: float) -> str:
    """A share as a percentage.

    >>> share(0.05), share(0.125), share(0.00002)
    ('5 %', '12.5 %', '< 0.01 %')
    """
    if 0 < value < 0.0001:
        return "< 0.01 %"
    return f"{100 * value:.3g} %"


def short(identifier: str) -> str:
    """The start of an identifier or digest, enough to find it by.

    >>> short("sha256:0123456789abcdef0123"), short("abc")
    ('0123456789ab', 'abc')
    """
    return identifier.removeprefix("sha256:")[:12]


def state_of(release: Release) -> str:
    """Where a release is, in words.

    A canary is named with its share.
    """
    if release.state == ReleaseState.CANARY:
        return f"canary at {share(release.plan[release.step].weight)}"
    return release.state.value.replace("_", " ")


def kind_of(finding: Finding) -> str:
    """The kind of a finding, in words."""
    return _KINDS[finding.kind]
