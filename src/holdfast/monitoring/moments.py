"""Moments of numbers that add up exactly, so that no split or order of the rows shows in them.

Sums of floats depend on their order in the last bits. Here every value is first rounded to a grid
that the frozen edges of its column fix: sums of whole multiples of a power of two are exact in
float64, however they are taken. The idea is that of reproducible summation (Demmel, Nguyen 2013),
with the bins known beforehand and therefore in one pass.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.records import Bins

FINE = 24  # bits of a value as large as the largest edge
_REACH = 3  # bits beyond: a value counts as at most eight times the largest edge
_CHUNK = 32_768  # rows whose temporaries stay in the processor's cache
_NONE = (0.0, 0.0, 0.0, np.nan, np.nan)

Floats = NDArray[np.float64]


class Grid(NamedTuple):
    """The grid of one column; ``unit`` and ``square`` are powers of two.

    Sums stay exact up to 2²⁹ rows (2²³ when all lie beyond the clamp).
    """

    unit: float
    square: float

    @property
    def limit(self) -> float:
        """Largest number of units that counts; what lies beyond is clamped."""
        return float(2 ** (FINE + _REACH))


def grid_of(bins: Bins) -> Grid:
    """The grid that the frozen edges of a column fix.

    >>> grid_of(Bins(column="x", kind="numeric", edges=(-1.0, 3.0))) == Grid(2.0**-22, 2.0**-20)
    True
    """
    edges = np.abs(np.asarray(bins.edges))
    largest = float(edges[np.isfinite(edges)].max(initial=0.0))
    power = int(np.clip(np.frexp(largest or 1.0)[1], -400, 400))
    return Grid(2.0 ** (power - FINE), 2.0 ** (2 * power - FINE))


def rounded(values: Floats, grid: Grid) -> tuple[Floats, Floats]:
    """(n,) finite values and their squares, rounded to the grid."""
    with np.errstate(over="ignore"):
        units = values * (1 / grid.unit)
    np.rint(units, out=units)
    np.maximum(units, -grid.limit, out=units)
    np.minimum(units, grid.limit, out=units)
    squares = units * units
    squares *= 2.0**-FINE
    np.rint(squares, out=squares)
    units *= grid.unit
    squares *= grid.square
    return units, squares


def moments_of(values: Floats, grid: Grid) -> tuple[float, float, float, float, float]:
    """Number, Σx, Σx², least and greatest (NaN: none) of finite values."""
    if not values.size:
        return _NONE
    total = squares = 0.0
    for start in range(0, values.size, _CHUNK):
        once, twice = rounded(values[start : start + _CHUNK], grid)
        total += float(once.sum())
        squares += float(twice.sum())
    # Adding 0.0 makes one zero of both.
    low, high = float(values.min()) + 0.0, float(values.max()) + 0.0
    return float(values.size), total + 0.0, squares, low, high


def grouped_moments(of: NDArray[np.intp], values: Floats, groups: int, grid: Grid) -> Floats:
    """(5, groups): :func:`moments_of` of each group; values that are not finite are left out."""
    result = np.zeros((5, groups))
    result[3:] = np.nan
    finite = np.isfinite(values)
    group, x = (of, values) if finite.all() else (of[finite], values[finite])
    once, twice = rounded(x, grid)
    result[0] = np.bincount(group, minlength=groups)
    result[1] = np.bincount(group, weights=once, minlength=groups)
    result[2] = np.bincount(group, weights=twice, minlength=groups)
    np.fmin.at(result[3], group, x)
    np.fmax.at(result[4], group, x)
    result[1:] += 0.0
    return result
