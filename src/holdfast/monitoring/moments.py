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
Indices = NDArray[np.intp]


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


def rounded(
    values: Floats, grid: Grid, into: tuple[Floats, Floats], *, clamp: bool = True
) -> tuple[Floats, Floats]:
    """(n,) finite values and their squares, in whole ``grid.unit`` and ``grid.square``.

    Args:
        values: (n,) finite values.
        grid: of their column.
        into: two arrays of at least that length, to be overwritten: new memory costs more.
        clamp: False when all are known to lie within the limit.
    """
    units, squares = (one[: values.size] for one in into)
    with np.errstate(over="ignore"):
        np.multiply(values, 1 / grid.unit, out=units)
    np.rint(units, out=units)
    if clamp:
        np.clip(units, -grid.limit, grid.limit, out=units)
    np.multiply(units, units, out=squares)
    squares *= 2.0**-FINE
    np.rint(squares, out=squares)
    return units, squares


def moments_of(values: Floats, grid: Grid) -> tuple[float, float, float, float, float]:
    """Number, Σx, Σx², least and greatest (NaN: none) of finite values."""
    if not values.size:
        return _NONE
    low, high = values.min(), values.max()
    total, squares = _sums(values, np.zeros(1, dtype=np.intp), grid, max(-low, high))[:, 0].tolist()
    # Adding 0.0 makes one zero of both.
    return float(values.size), total, squares, float(low) + 0.0, float(high) + 0.0


def moments_of_runs(
    values: Floats, begins: Indices, finite: tuple[Indices, Indices], grid: Grid
) -> Floats:
    """(5, runs): :func:`moments_of` of each run of numbers that are sorted within it.

    Args:
        values: all runs; those that are not finite are overwritten.
        begins: where each run, of at least one row, begins.
        finite: where the finite numbers of each begin, and where they end.
        grid: of the column.
    """
    first, end = finite
    there = end > first
    result = np.full((5, begins.size), np.nan)
    result[0] = end - first
    result[3, there], result[4, there] = values[first[there]], values[end[there] - 1]
    if result[0].sum() < values.size:
        values[~np.isfinite(values)] = 0.0
    largest = np.abs(result[3:, there]).max(initial=0.0)
    result[1:3] = _sums(values, begins, grid, float(largest))
    result[1:] += 0.0
    return result


def _sums(values: Floats, begins: Indices, grid: Grid, largest: float) -> Floats:
    """(2, runs) sums of finite values and of their squares; exact, so in any order."""
    result = np.zeros((2, begins.size))
    clamp = largest >= grid.limit * grid.unit
    into = _space(min(values.size, _CHUNK))
    for start in range(0, values.size, _CHUNK):
        part = values[start : start + _CHUNK]
        runs, places = runs_within(begins, start, start + part.size)
        for sums, numbers in zip(result, rounded(part, grid, into, clamp=clamp), strict=True):
            sums[runs] += numbers.sum() if places.size == 1 else np.add.reduceat(numbers, places)
    result *= [[grid.unit], [grid.square]]
    result += 0.0
    return result


def _space(size: int) -> tuple[Floats, Floats]:
    return np.empty(size), np.empty(size)


def runs_within(begins: Indices, start: int, end: int) -> tuple[slice, Indices]:
    """Which runs have a part between two places, and where that begins, from ``start`` on.

    >>> runs_within(np.array([0, 3, 5]), 4, 8)
    (slice(1, 3, None), array([0, 1]))
    """
    first = int(np.searchsorted(begins, start, side="right")) - 1
    last = int(np.searchsorted(begins, end, side="left"))
    return slice(first, last), np.maximum(begins[first:last] - start, 0)


def grouped_moments(of: NDArray[np.intp], values: Floats, groups: int, grid: Grid) -> Floats:
    """(5, groups): :func:`moments_of` of each group; values that are not finite are left out."""
    result = np.zeros((5, groups))
    result[3:] = np.nan
    finite = np.isfinite(values)
    group, x = (of, values) if finite.all() else (of[finite], values[finite])
    units, squares = rounded(x, grid, _space(x.size))
    result[0] = np.bincount(group, minlength=groups)
    result[1] = np.bincount(group, weights=units, minlength=groups) * grid.unit
    result[2] = np.bincount(group, weights=squares, minlength=groups) * grid.square
    np.fmin.at(result[3], group, x)
    np.fmax.at(result[4], group, x)
    result[1:] += 0.0
    return result
