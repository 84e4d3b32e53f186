"""Numbers in sentences."""

from __future__ import annotations

import math


def decimals(unit: float) -> int:
    """Digits after the point at which a quantity of this size shows two that matter.

    >>> decimals(0.01), decimals(0.0), decimals(30.0)
    (3, 3, 0)
    """
    if not unit > 0:
        return 3
    return min(max(1 - math.floor(math.log10(unit)), 0), 6)


def number(value: float, digits: int = 3) -> str:
    """A value with thousands separators, never ``-0``.

    >>> number(-0.0001), number(12345.678, 1)
    ('0.000', '12,345.7')
    """
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def change(value: float, digits: int = 3, up: str = "higher", down: str = "lower") -> str:
    """A difference in words.

    >>> change(-0.0213), change(0.5, 1), change(0.0)
    ('0.021 lower', '0.5 higher', 'the same')
    """
    if value == 0:
        return "the same"
    return f"{number(abs(value), digits)} {up if value > 0 else down}"


def bounds(low: float, high: float, digits: int = 3) -> str:
    """A pair of bounds of a difference, nearest to zero first.

    >>> bounds(-0.025, -0.017), bounds(-0.02, 0.01), bounds(0.01, 0.02)
    ('0.017 to 0.025 lower', '0.020 lower to 0.010 higher', '0.010 to 0.020 higher')
    """
    if low < 0 < high:
        return f"{change(low, digits)} to {change(high, digits)}"
    near, far = sorted((abs(low), abs(high)))
    return f"{number(near, digits)} to {number(far, digits)} {'higher' if high > 0 else 'lower'}"


def percent(share: float) -> str:
    """A share as a percentage.

    >>> percent(0.95)
    '95 %'
    """
    return f"{100 * share:.4g} %"


def about(rows: int | None) -> str:
    """How many rows would decide, rounded to two digits that matter.

    >>> about(3217), about(None)
    ('about 3,300 rows would decide', 'it is too close to that line for any number of rows to tell')
    """
    if rows is None:
        return "it is too close to that line for any number of rows to tell"
    step: int = 10 ** max(len(str(rows)) - 2, 0)
    return f"about {math.ceil(rows / step) * step:,} rows would decide"


def plural(count: int, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "slice"), plural(1200, "slice")
    ('1 slice', '1,200 slices')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
