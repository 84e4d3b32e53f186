"""Drift within slices: the rows of one value of a column, against its own held-out rows.

A slice may move while all rows together hardly do. It is held against its own rows, its own season
and its own days. All rows keep one half of the budget of false declarations, slices share the
other, so that what shows everywhere is found nearly as soon as without slices.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.monitoring.drift import Drift, judge
from holdfast.monitoring.merge import Blocks
from holdfast.monitoring.once import once
from holdfast.monitoring.spans import trailing
from holdfast.monitoring.streams import measure
from holdfast.records import Reference

SHOWN = 20
"""Columns of slices that a look keeps."""
_NAMED = 6


class Moved(NamedTuple):
    """Drift of all rows, of slices, and of pairs of columns.

    Args:
        columns: of all rows, the prediction first.
        sliced: of slices, at most twenty: declared ones first, then by evidence.
        level: as :class:`holdfast.monitoring.drift.Judged` has it.
        joint: pairs of columns, where they were looked at.
        shares: (N,) share of the budget that each block was judged at.
    """

    columns: tuple[Drift, ...]
    sliced: tuple[Drift, ...]
    level: float | None
    joint: tuple[Drift, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def every(self) -> tuple[Drift, ...]:
        """All of them."""
        return (*self.columns, *self.sliced, *self.joint)


def drift_of(
    reference: Reference,
    blocks: Blocks,
    slices: Mapping[str, Blocks],
    *,
    minimum: int = 200,
    pages_per_month: float = 1.0,
    budget: ArrayLike = 1.0,
) -> Moved:
    """Measures every column, of all rows and of those of each slice, and decides of all together.

    A column of a slice is told only where the column of all rows is not: what shows everywhere
    needs no second finding.

    Args:
        reference: the held-out rows.
        blocks: consecutive blocks of all rows.
        slices: slice → its blocks, over the same time. Those are looked at of which the reference
            knows how their days differ.
        minimum: fewest rows of an effect.
        pages_per_month: false declarations that are tolerated, over all of them.
        budget: (N,) share of that at which each block is judged.
    """
    keys = [key for key in slices if key in (reference.slices or {})]
    parts = [measure(reference, blocks)]
    parts += [measure(reference_of(reference, key), slices[key]) for key in keys]
    prices = prices_of([len(one.columns) for one in parts])
    found = judge(parts, prices, pages_per_month, budget=budget, minimum=minimum)
    columns = found.parts[0]
    sliced = [
        _of_slice(one, key, blocks, slices[key], columns)
        for key, part in zip(keys, found.parts[1:], strict=True)
        for one in part
    ]
    sliced.sort(key=_rank, reverse=True)
    return Moved(columns, tuple(sliced[:SHOWN]), found.level)


def prices_of(sizes: Sequence[int]) -> list[float]:
    """What each column of a part costs (:mod:`holdfast.monitoring.together`).

    Args:
        sizes: columns of all rows, then of each slice.

    >>> prices_of([5]), prices_of([5, 4, 4])
    ([5.0], [10.0, 16.0, 16.0])
    """
    first, *slices = sizes
    if not slices:
        return [float(first)]
    return [2.0 * first, *[2.0 * sum(slices)] * len(slices)]


@once
def reference_of(reference: Reference, key: str) -> Reference:
    """The reference of one slice, without the column that it is of, which has but one value.

    Args:
        reference: of all rows.
        key: one of ``reference.slices``.
    """
    days = (reference.slices or {})[key]
    column = key.partition("=")[0]
    kept = [i for i, bins in enumerate(reference.bins) if bins.input != column]
    between = msgspec.structs.replace(
        days.between,
        spread=tuple(days.between.spread[i] for i in kept),
        freedom=tuple(days.between.freedom[i] for i in kept),
    )
    summary = next(one for one in reference.summaries if one.slice == key)
    return msgspec.structs.replace(
        reference, bins=tuple(reference.bins[i] for i in kept), summaries=(summary,),
        between=between, season=days.season if days.season.by else None, joint=None,
    )  # fmt: skip


def in_slices(reference: Reference, columns: Collection[str]) -> str:
    """In which slices drift is looked for, and in which it cannot be.

    Args:
        reference: of the version that is looked at.
        columns: whose values are watched one by one.

    >>> in_slices(Reference(bins=(), summaries=(), loss=0, loss_low=0, loss_high=0), ["origin"])
    'not known: the reference of this version does not say how days of slices differ'
    """
    if not columns:
        return ""
    if reference.slices is None:
        return "not known: the reference of this version does not say how days of slices differ"
    known = [one.slice for one in reference.summaries if one.slice.partition("=")[0] in columns]
    watched = [key for key in known if key in reference.slices]
    thin = len(known) - len(watched)
    strange = sorted(set(columns) - {key.partition("=")[0] for key in known})
    said = []
    if watched:
        more = f" and {len(watched) - _NAMED} more" if len(watched) > _NAMED else ""
        said = [", ".join(watched[:_NAMED]) + more]
    if thin:
        others = f"{'other ' if watched else ''}slice{'s' if thin > 1 else ''}"
        said.append(f"not enough data in {thin} {others}")
    if strange:
        unknown = ", ".join(strange)
        said.append(f"not known for {unknown}, of whose values the reference has too few rows")
    return "; ".join(said)


def _of_slice(one: Drift, key: str, whole: Blocks, part: Blocks, columns: Sequence[Drift]) -> Drift:
    """A column of a slice, its harm as a part of the mean loss of all rows."""
    told = next((all_rows.declared for all_rows in columns if all_rows.column == one.column), False)
    share = np.ones(len(one.rows))
    for span in np.unique(one.span).tolist():
        mine, all_rows = (
            trailing(rows.rows.astype(np.float64), span, axis=0) for rows in (part, whole)
        )
        share = np.where(one.span == span, mine / np.maximum(all_rows, 1), share)
    return replace(one, slice=key, harm=one.harm * share, declared=one.declared & ~np.asarray(told))


def _rank(one: Drift) -> tuple[bool, bool, float]:
    flags: NDArray[np.bool_] = one.declared
    now = bool(flags.size and flags[-1])
    return now, bool(flags.any()), float(one.log_m.max(initial=-np.inf))
