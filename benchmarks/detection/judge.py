"""How monitors are judged: false alarms in a month, and delay at the same number of them.

Never by F1 or accuracy of alarms, which reward whoever alarms all the time: an alarm every hundred
rows finds each change within a hundred rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.stats import chi2

from holdfast.statistics.exact import quantile_bounds, wilson

MONTH = 30
BUDGET = 1.0  # false alarms a month, as [monitor] pages_per_month has it by default
HORIZON = 20  # days after a change; what is not found by then is missed
Z = 1.96


class Track(msgspec.Struct):
    """What one monitor said about one stream.

    Args:
        settings: of its one knob, the strictest first.
        usual: which of them is its default.
        days: for each setting the days in alarm, ascending.
        told: how many different things it reported, where it tells them apart.
    """

    settings: list[str]
    usual: int
    days: list[list[int]]
    told: int | None = None


class Rate(NamedTuple):
    """Events a month with exact 95 % bounds (Garwood 1936)."""

    events: int
    months: float
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} – {self.high:.2f})"


class Delay(NamedTuple):
    """Of all streams with a change: days until it was found, the first day being 1.

    Args:
        found: streams in which it was.
        streams: that were judged.
        median: infinite when more than half were missed; ``low`` and ``high`` its 95 % bounds.
        mean: of min(delay, horizon + 1), so that a miss costs a day more than the longest delay.
        each: that number for each stream.
    """

    found: int
    streams: int
    median: float
    low: float
    high: float
    mean: float
    each: tuple[float, ...]

    @property
    def missed(self) -> str:
        """Share of misses, with Wilson's bounds."""
        n = max(self.streams, 1)
        low, high = wilson(n - self.found, n, Z)
        return f"{(n - self.found) / n:.0%} ({low:.0%} – {high:.0%})"

    def __str__(self) -> str:
        return f"{_days(self.median)} ({_days(self.low)} – {_days(self.high)})"


def incidents(days: Sequence[int]) -> int:
    """Runs of consecutive days in alarm: a monitor that alarms all week has alarmed once.

    >>> incidents([3, 4, 5, 9]), incidents([])
    (2, 0)
    """
    return sum(day - 1 != before for before, day in zip([-9, *days], days, strict=False))


def rate(events: int, days: float) -> Rate:
    """Events a month of so many days.

    >>> str(rate(0, 300))
    '0.00 (0.00 – 0.37)'
    """
    months = days / MONTH
    low = chi2.ppf(0.025, 2 * events) / 2 if events else 0.0
    high = chi2.ppf(0.975, 2 * events + 2) / 2
    return Rate(events, months, events / months, float(low) / months, float(high) / months)


def calibrate(tracks: Sequence[Track], days: float, budget: float = BUDGET) -> int | None:
    """The laxest setting that, with all stricter ones, alarms no more often than the budget.

    Coming from the strict side it stops before a monitor is in alarm for good, which would count
    as a single incident.

    Args:
        tracks: of one monitor, on streams without a change.
        days: of all of them together.
        budget: incidents a month.

    Returns:
        Its place among the settings; None when even the strictest alarms too often.
    """
    chosen = None
    for place in range(len(tracks[0].settings)):
        alarms = sum(incidents(track.days[place]) for track in tracks)
        if alarms * MONTH / days > budget:
            break
        chosen = place
    return chosen


def delays(alarms: Sequence[Sequence[int]], change: int, horizon: int = HORIZON) -> Delay:
    """How soon a change was found, over many streams.

    Streams in alarm on the day before the change are not judged: nobody knows what they would have
    said.

    Args:
        alarms: days in alarm, a stream each.
        change: day of the change.
        horizon: days after it that count.
    """
    each = []
    for days in alarms:
        if change - 1 in days:
            continue
        after = [day - change + 1 for day in days if change <= day < change + horizon]
        each.append(float(after[0]) if after else math.inf)
    if not each:
        return Delay(0, 0, math.inf, math.inf, math.inf, math.nan, ())
    ordered = sorted(each)
    low, high = quantile_bounds(len(ordered), 0.5, 0.025)
    cut = tuple(min(one, horizon + 1.0) for one in each)
    return Delay(
        sum(map(math.isfinite, each)), len(each), ordered[(len(ordered) - 1) // 2], ordered[low],
        ordered[high], float(np.mean(cut)), cut,
    )  # fmt: skip


def compare(ours: Delay, theirs: Delay) -> tuple[float, float, float]:
    """Days by which theirs is later on average, with 95 % bounds (Welch)."""
    a, b = np.asarray(ours.each), np.asarray(theirs.each)
    if min(a.size, b.size) < 2:
        return (0.0, -math.inf, math.inf)
    half = Z * math.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size)
    gap = float(b.mean() - a.mean())
    return gap, gap - half, gap + half


def _days(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "never"
