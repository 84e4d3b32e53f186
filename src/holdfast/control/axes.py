"""Scales and ticks of charts; pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

TIME_STEPS = (
    *(timedelta(hours=hours) for hours in (1, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 14, 28, 56, 112, 224, 448)),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps ``[low, high]`` linearly to ``[start, end]`` of the drawing.

    >>> Scale(0, 2, 100, 0)(0.5)
    75.0
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value, in the drawing's units, to a tenth."""
        part = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.start + part * (self.end - self.start), 1)


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers that span the range, at most ``most`` + 1 of them.

    >>> nice_ticks(0.0, 0.23)
    [0.0, 0.05, 0.1, 0.15, 0.2, 0.25]
    """
    span = max(high - low, 1e-9)
    raw = span / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * times for times in (1, 2, 2.5, 5, 10) if size * times >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * place, 10) for place in range(first, last + 1)]


def tick_text(tick: float, ticks: Sequence[float]) -> str:
    """A tick with as many digits as tell its neighbours apart.

    >>> tick_text(0.1, [0.1, 0.125, 0.15]), tick_text(0.1, [0.0, 0.1])
    ('0.100', '0.1')
    """
    digits = max(len(f"{one:.6f}".rstrip("0").partition(".")[2]) for one in ticks)
    return f"{tick:.{digits}f}"


def time_ticks(start: datetime, end: datetime, most: int) -> list[datetime]:
    """Full hours or midnights within a span, at most ``most`` of them."""
    step = next((one for one in TIME_STEPS if (end - start) / one <= most), TIME_STEPS[-1])
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    ticks = []
    while first <= end:
        if first >= start:
            ticks.append(first)
        first += step
    return ticks


def time_text(tick: datetime, ticks: Sequence[datetime]) -> str:
    """A tick in words: the hour where ticks are less than a day apart, the year in January."""
    if len(ticks) > 1 and ticks[1] - ticks[0] < timedelta(days=1) and tick.hour:
        return f"{tick:%H:%M}"
    crosses = tick.year != ticks[0].year and all(
        other.year != tick.year for other in ticks if other < tick
    )
    return f"{tick.day} {tick:%b %Y}" if crosses else f"{tick.day} {tick:%b}"


def runs(known: Sequence[bool]) -> list[range]:
    """Stretches of True, so that lines break where nothing is known.

    >>> runs([True, True, False, True])
    [range(0, 2), range(3, 4)]
    """
    result: list[range] = []
    begin = None
    for place, one in enumerate([*known, False]):
        if one and begin is None:
            begin = place
        elif not one and begin is not None:
            result.append(range(begin, place))
            begin = None
    return result
