"""Blocks taken alone and together with those before them, and which of it says most.

A small change that lasts is lost in the noise of a single block, and one block of thin traffic says
nothing. So each is also measured as the end of a run of three, and of seven.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.statistics.histogram import Distance

SPANS = (1, 3, 7)
_CONFIRMED = (2, 3)  # of the newest blocks, so many of so many

Floats = NDArray[np.float64]


class Measured(NamedTuple):
    """Columns over N blocks, each (C, N); NaN (``beyond``: no) where there are not enough rows.

    Args:
        value: the distance; ``low`` and ``high`` its one-sided 95 % bounds.
        floor: what ``low`` must exceed.
        span: blocks that the distance is measured over, up to this one.
        beyond: whether it does.
    """

    value: Floats
    low: Floats
    high: Floats
    floor: Floats
    span: NDArray[np.int64]
    beyond: NDArray[np.bool_]


def trailing(counts: NDArray[np.float64], span: int, axis: int = -2) -> Floats:
    """Sums of each block and up to ``span`` − 1 before it.

    >>> trailing(np.array([1.0, 2.0, 3.0, 4.0]), 3, axis=0).tolist()
    [1.0, 3.0, 6.0, 9.0]
    """
    if span == 1 or counts.shape[axis] == 1:
        return np.asarray(counts, dtype=np.float64)
    sums = np.moveaxis(np.cumsum(counts, axis=axis, dtype=np.float64), axis, 0)
    whole = sums.copy()
    whole[span:] -= sums[:-span]
    return np.asarray(np.moveaxis(whole, 0, axis))


def confirmed(alone: Distance, rows: NDArray[np.int64], common: Floats) -> NDArray[np.bool_]:
    """(C, N) whether two of the last three blocks, each by itself, are beyond what is common.

    One strange day is weather, however strange: tails of days are heavier than weeks can show.

    Args:
        alone: (C, N) distances of single blocks.
        rows: (C, N) of each.
        common: (C,) what 95 % of blocks stay below.
    """
    strange = (rows > 0) & (alone.value - alone.chance > common[:, None])
    needed, among = _CONFIRMED
    return np.asarray(trailing(strange.astype(np.float64), among, axis=-1) >= needed)


def strongest(
    distances: Sequence[Distance],
    enough: NDArray[np.bool_],
    floors: Floats,
    sure: NDArray[np.bool_],
) -> Measured:
    """The shortest span that lies beyond its floor; else the shortest that has enough rows.

    Args:
        distances: of each span, (C, N).
        enough: (spans, C, N) whether there are enough rows.
        floors: (spans, C, N).
        sure: (C, N) where a span may lie beyond at all.
    """
    low = np.stack([one.low() for one in distances])
    beyond = enough & (low > floors) & sure
    found = beyond.any(axis=0)
    place = np.where(found, beyond.argmax(axis=0), enough.argmax(axis=0))
    chosen = (place, *np.ogrid[: place.shape[0], : place.shape[1]])
    said = enough[chosen]
    return Measured(
        value=np.where(said, np.stack([one.value for one in distances])[chosen], np.nan),
        low=np.where(said, low[chosen], np.nan),
        high=np.where(said, np.stack([one.high() for one in distances])[chosen], np.nan),
        floor=np.broadcast_to(floors, low.shape)[chosen],
        span=np.asarray(SPANS)[place],
        beyond=np.asarray(found),
    )
