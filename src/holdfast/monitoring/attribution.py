"""Which inputs and slices explain a change, and how much of the loss each carries.

An input carries Δ_j = Σ_b (q_jb − p_jb)·L_jb: what the mean loss would change by if only the shares
of this column's cells had changed, with the reference's mean loss in each. Inputs that
go together carry the same loss twice, so their sum is not the whole, and is shown beside it. A
slice carries what its rows add to the mean now, less what they added then; the slices of one column
do add up to the whole, but for rows that are in none.

Rows of one day hang together. So the intervals have two parts: what chance makes of so many rows,
and what days make of it by themselves, learned from the held-out days.

The whole is what the predictions say: the loss that the reference had where the predictions now
lie. Like every estimate without labels it is blind to a change of what comes true; the part of a
*measured* change that it leaves is shown as unexplained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.cells import PREDICTION
from holdfast.monitoring.merge import Blocks, counts_of
from holdfast.records import Reference
from holdfast.statistics.histogram import shares

_Z = 1.96

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Carried:
    """A change of the mean loss, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Cause:
    """What one input or slice carries.

    Args:
        kind: ``input`` or ``slice``.
        subject: the column, or the slice such as ``origin=JFK``.
        loss: the change of the mean loss that it carries.
        sure: whether the interval leaves out 0.
        rows: of the window; of a slice, its own.
        mix: of a slice, the part that comes of its being more or less frequent; the rest comes of
            what its rows are like now. None for inputs.
    """

    kind: Literal["input", "slice"]
    subject: str
    loss: Carried
    sure: bool
    rows: int
    mix: float | None = None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Why the loss is expected to have changed, over one window.

    Args:
        since: start of the window, which ends with the last complete block.
        rows: predictions in it.
        expected: the change that the predictions tell of.
        measured: the change that labels tell of, when they do.
        unexplained: ``measured`` less ``expected``: a changed meaning, or unseen inputs.
        causes: inputs and slices, what carries most first.
        inputs_sum: of what the inputs carry; more than ``expected`` where they go together.
    """

    since: datetime
    rows: int
    expected: Carried
    measured: float | None
    unexplained: float | None
    causes: tuple[Cause, ...]
    inputs_sum: float


def attribute(
    reference: Reference,
    seen: Blocks,
    slices: Mapping[str, Blocks],
    *,
    since: datetime | None = None,
    measured: float | None = None,
    minimum: int = 200,
) -> Attribution | None:
    """Explains the blocks from a time on.

    Args:
        reference: the held-out rows.
        seen: consecutive blocks, without slices.
        slices: slice key → its blocks.
        since: blocks that begin earlier are left out, but for the last; None: only the last.
        measured: the measured change of the mean loss.
        minimum: fewest rows.

    Returns:
        None when there are fewer rows.
    """
    last = list(range(len(seen.starts)))[-1:]
    places = [i for i, start in enumerate(seen.starts) if since is not None and start >= since]
    places = places or last
    rows = int(seen.rows[places].sum()) if places else 0
    if rows < max(minimum, 1):
        return None
    known = counts_of(reference.summaries[0])
    now = {name: counts[places].sum(axis=0) for name, counts in seen.counts.items()}
    losses = {name: np.asarray(values) for name, values in reference.bin_loss.items()}
    days = _days(reference, seen, len(places))
    inputs = [
        _input(bins.column, known[bins.column], now[bins.column], losses[bins.column], days)
        for bins in reference.bins
        if bins.column != PREDICTION and bins.column in losses
    ]
    parts = _slices(reference, slices, places, known[PREDICTION], now[PREDICTION], losses, days)
    expected = _carried(
        known[PREDICTION], now[PREDICTION], losses[PREDICTION], days.get(PREDICTION, 0.0)
    )
    return Attribution(
        since=seen.starts[places[0]],
        rows=rows,
        expected=expected,
        measured=measured,
        unexplained=None if measured is None else measured - expected.value,
        causes=tuple(sorted([*inputs, *parts], key=lambda one: -abs(one.loss.value))),
        inputs_sum=float(sum(one.loss.value for one in inputs)),
    )


def _days(reference: Reference, seen: Blocks, blocks: int) -> dict[str, float]:
    """Of each column and slice, the variance that days by themselves make in what it carries.

    The mean of the window varies as that of so many days, the mean of the held-out rows as that of
    theirs. Less than a day varies no less than one.
    """
    if reference.history is None:
        return {}
    window = max(blocks * seen.length / timedelta(days=1), 1.0)
    held = max(len(reference.history.days), 1)
    return {
        name: spread**2 * (1 / window + 1 / held) for name, spread in reference.loss_spreads.items()
    }


def _input(
    name: str, before: Counts, now: Counts, losses: Floats, days: Mapping[str, float]
) -> Cause:
    carried = _carried(before, now, losses, days.get(name, 0.0))
    return Cause("input", name, carried, _sure(carried), int(now.sum()))


def _carried(before: Counts, now: Counts, losses: Floats, days: float) -> Carried:
    """Σ_b (q_b − p_b)·L_b with the delta method's interval: of q, of p, and of L; and of days.

    A bounded loss of mean L has a variance of at most L(1 − L).
    """
    p, q = shares(before), shares(now)
    n, m = max(int(now.sum()), 1), max(int(before.sum()), 1)
    value = float((q - p) @ losses)
    spread = _variance(q, losses) / n + _variance(p, losses) / m
    known = before > 0
    of_losses = (q - p)[known] ** 2 * (losses * (1 - losses))[known] / before[known]
    return _interval(value, spread + float(of_losses.sum()) + days)


def _slices(
    reference: Reference,
    slices: Mapping[str, Blocks],
    places: list[int],
    whole_before: Counts,
    whole_now: Counts,
    losses: Mapping[str, Floats],
    days: Mapping[str, float],
) -> list[Cause]:
    """What each slice adds to the mean loss now, less what it added in the reference.

    Losses are taken from the mean of the reference, so that the slices of one column, with the rows
    of none, add up to the expected change.
    """
    loss = losses[PREDICTION]
    n, m = max(int(whole_now.sum()), 1), max(int(whole_before.sum()), 1)
    beyond = loss - float(shares(whole_before) @ loss)
    found = []
    for summary in reference.summaries:
        if summary.slice not in slices:
            continue
        before = counts_of(summary)[PREDICTION]
        now = slices[summary.slice].counts[PREDICTION][places].sum(axis=0)
        value = float(now @ beyond / n - before @ beyond / m)
        variance = _within(now, n, beyond) / n + _within(before, m, beyond) / m
        carried = _interval(value, variance + days.get(summary.slice, 0.0))
        usual = float(shares(before) @ beyond)
        mix = (int(now.sum()) / n - int(before.sum()) / m) * usual
        found.append(
            Cause("slice", summary.slice, carried, _sure(carried), int(now.sum()), float(mix))
        )
    return found


def _within(counts: Counts, rows: int, values: Floats) -> float:
    """Variance over all rows of a value that is 0 outside of the slice."""
    mean = float(counts @ values) / rows
    return float(counts @ values**2) / rows - mean**2


def _variance(weights: Floats, values: Floats) -> float:
    mean = float(weights @ values)
    return float(weights @ (values - mean) ** 2)


def _interval(value: float, variance: float) -> Carried:
    error = _Z * float(np.sqrt(max(variance, 0.0)))
    return Carried(value, value - error, value + error)


def _sure(carried: Carried) -> bool:
    return carried.low > 0 or carried.high < 0
