"""Finds that a column changed its unit, without taking a season for one.

A season moves a column slowly, and hardly changes its spread. A unit changes it from one day to the
next, by a known conversion, and its spread by the same factor. So three signs are looked for, and
each asks for more than a shifted median:

1. **jump**: from one day to the next the median moves further than it ever did in the reference,
   and lands where a known conversion puts it;
2. **affine**: all quantiles fit a conversion of temperatures, and hardly overlap the reference;
3. **scale**: the median moves by more than half, the spread by the same factor, and the values
   hardly overlap the reference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import msgspec
import polars as pl

from holdfast.data.profile import Day, quantiles
from holdfast.records import ColumnContract

SMALLEST_RATIO = math.log(1.5)
_GAP = timedelta(days=3)  # a longer pause may hide a natural change
_NOON = timedelta(hours=12)  # days begin when the data end, so the middle tells the date
_LASTS = 3  # days that must agree, as far as they are there


class Conversion(NamedTuple):
    """``new = factor · old + offset``, for old values in a domain."""

    name: str
    factor: float
    offset: float = 0.0
    low: float = -math.inf
    high: float = math.inf

    def __call__(self, value: float) -> float:
        """The value in the new unit."""
        return self.factor * value + self.offset

    def takes(self, value: float) -> bool:
        """Whether the old unit has such values."""
        return self.low <= value <= self.high


def _inverse(conversion: Conversion) -> Conversion:
    old, _, new = conversion.name.partition(" to ")
    factor = 1 / conversion.factor
    return Conversion(
        f"{new} to {old}",
        factor,
        -conversion.offset * factor,
        conversion(conversion.low),
        conversion(conversion.high),
    )


# Temperatures that are measured, -90 to 150 °C; else any shift by 273 would look like one.
_TEMPERATURES = (
    Conversion("°F to °C", 5 / 9, -160 / 9, -130.0, 302.0),
    Conversion("°C to kelvin", 1.0, 273.15, -90.0, 150.0),
    Conversion("°F to kelvin", 5 / 9, 273.15 - 160 / 9, -130.0, 302.0),
)
_SCALES = (
    Conversion("hours to minutes", 60.0),
    Conversion("hours to seconds", 3600.0),
    Conversion("days to hours", 24.0),
    Conversion("days to minutes", 1440.0),
    Conversion("days to seconds", 86400.0),
    Conversion("weeks to days", 7.0),
    Conversion("units to tenths", 10.0),
    Conversion("units to hundredths", 100.0),
    Conversion("units to thousandths", 1000.0),
    Conversion("units to millionths", 1e6),
    Conversion("miles to kilometres", 1.609344),
    Conversion("knots to km/h", 1.852),
    Conversion("m/s to mph", 2.236936),
    Conversion("m/s to km/h", 3.6),
    Conversion("m/s to knots", 1.943844),
    Conversion("metres to feet", 3.28084),
    Conversion("inches to centimetres", 2.54),
    Conversion("inches to millimetres", 25.4),
    Conversion("kilograms to pounds", 2.204623),
    Conversion("inHg to hPa", 33.86389),
)
TEMPERATURES = (*_TEMPERATURES, *map(_inverse, _TEMPERATURES))
SCALES = (*_SCALES, *map(_inverse, _SCALES))


def unit_change(
    reference: ColumnContract,
    values: pl.Series,
    by_day: Sequence[Day],
    reference_end: datetime | None,
) -> str | None:
    """Says how a numeric column changed its unit, or None when it did not.

    Args:
        reference: what the column looked like.
        values: (n,) the column now.
        by_day: the same, day by day.
        reference_end: latest time of the reference.
    """
    jump = _jump(reference, by_day, reference_end)
    if jump is not None:
        return jump
    new = quantiles(values)
    if not new or not reference.quantiles:
        return None
    return _affine(reference, new, values) or _scale(reference, new, values)


def _jump(
    reference: ColumnContract, by_day: Sequence[Day], reference_end: datetime | None
) -> str | None:
    if not reference.jump:
        return None
    known = [day for day in by_day if day.median is not None]
    if known and reference.last is not None and reference_end is not None:
        known = [Day(reference_end, 0, 0.0, reference.last, None), *known]
    natural = reference.jump
    for index, (before, after) in enumerate(pairwise(known), start=1):
        if not timedelta(0) < after.start - before.start <= _GAP:
            continue  # also where the data begin before the reference ends
        later = [_median(day) for day in known[index : index + _LASTS]]
        usual = msgspec.structs.replace(reference, jump=natural)
        for conversion in (*TEMPERATURES, *SCALES):
            if _lands(conversion, before, after, usual) and _lasts(conversion, before, later):
                return (
                    f"on {after.start + _NOON:%Y-%m-%d} the median went from {before.median:.4g} "
                    f"to {after.median:.4g} in one day, as if from {conversion.name}"
                )
        natural = max(natural, abs(_median(after) - _median(before)))
    return None


def _median(day: Day) -> float:
    assert day.median is not None
    return day.median


def _lands(conversion: Conversion, before: Day, after: Day, reference: ColumnContract) -> bool:
    """Whether the step is larger than any natural one, and the conversion explains it."""
    old, new, natural = _median(before), _median(after), reference.jump or 0.0
    expected = conversion(old)
    if not conversion.takes(old) or abs(new - old) <= 1.2 * natural:
        return False
    if conversion.offset:
        tolerance = min(conversion.factor * natural, abs(new - old) / 4)
        return abs(new - expected) <= tolerance and _spread_follows(
            conversion, before, after, math.log(3)
        )
    if new * expected <= 0 or reference.jump_ratio is None:
        return False
    ratio = abs(math.log(new / old))
    near = abs(math.log(new / expected)) <= min(math.log(1.25), max(reference.jump_ratio, 0.01))
    return (
        near
        and ratio > 2 * reference.jump_ratio
        and _spread_follows(conversion, before, after, SMALLEST_RATIO)
    )


def _lasts(conversion: Conversion, before: Day, later: Sequence[float]) -> bool:
    """Whether the next days, as far as there are any, stay in the new unit: a storm passes."""
    old = _median(before)
    return all(abs(level - conversion(old)) < abs(level - old) for level in later)


def _spread_follows(conversion: Conversion, before: Day, after: Day, most: float) -> bool:
    if before.spread is None or after.spread is None:
        return bool(after.spread)  # a frozen column is no unit
    if not before.spread or not after.spread:
        return before.spread == after.spread
    return abs(math.log(after.spread / before.spread / conversion.factor)) < most


def _affine(reference: ColumnContract, new: tuple[float, ...], values: pl.Series) -> str | None:
    old = reference.quantiles
    if _share_inside(values, old[0], old[-1]) > 0.3:
        return None
    for conversion in TEMPERATURES:
        tolerance = 0.25 * conversion.factor * (old[-1] - old[0])
        misfits = (abs(b - conversion(a)) for a, b in zip(old, new, strict=True))
        if conversion.takes(old[2]) and all(misfit <= tolerance for misfit in misfits):
            return (
                f"its median went from {old[2]:.4g} to {new[2]:.4g} and its whole distribution "
                f"with it, as if from {conversion.name}"
            )
    return None


def _scale(reference: ColumnContract, new: tuple[float, ...], values: pl.Series) -> str | None:
    old = reference.quantiles
    spreads = (old[3] - old[1], new[3] - new[1])
    if min(old[0], new[0], *spreads) <= 0:
        return None
    ratio = math.log(new[2] / old[2])
    if abs(ratio) <= SMALLEST_RATIO or _share_inside(values, old[0], old[-1]) > 0.1:
        return None
    if abs(ratio) < math.log(3):
        # A season may double a column; only a unit multiplies every quantile by the same factor.
        same = all(
            abs(math.log(b / a) - ratio) < math.log(1.1) for a, b in zip(old, new, strict=True)
        )
    else:
        same = abs(math.log(spreads[1] / spreads[0]) - ratio) < SMALLEST_RATIO
    if not same:
        return None
    near = min(SCALES, key=lambda conversion: abs(math.log(conversion.factor) - ratio))
    close = abs(math.log(near.factor) - ratio) < math.log(1.25)
    hint = f", as if from {near.name}" if close else ""
    return (
        f"its median went from {old[2]:.4g} to {new[2]:.4g} and its spread by the same factor{hint}"
    )


def _share_inside(values: pl.Series, low: float, high: float) -> float:
    known = values.drop_nulls().cast(pl.Float64)
    known = known.filter(known != 0)
    return float(known.is_between(low, high).sum()) / max(known.len(), 1)
