"""The monitor of the estimated loss: an e-detector over blocks, and two blocks in a row.

It needs no labels, so it speaks before the monitor of the measured loss can. It is as blind as the
estimate: see :mod:`holdfast.monitoring.estimate`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.drift import run_start
from holdfast.monitoring.estimate import Estimate
from holdfast.monitoring.findings import PAGE_SHARES, day, finding_id, looks_per_month
from holdfast.monitoring.loss_monitor import Alarms, tolerated
from holdfast.records import Finding, Reference
from holdfast.spec import Monitor
from holdfast.statistics.eprocess import gaussian_cusum, threshold_for

Floats = NDArray[np.float64]


class Rise(NamedTuple):
    """(n,) the log e-detector of a rise, and whether each block for itself lies above."""

    log_m: Floats
    above: NDArray[np.bool_]

    def over(self, threshold: float) -> NDArray[np.bool_]:
        """(n,) where it alarms: enough evidence, and this block and the one before above."""
        before = np.concatenate([[False], self.above[:-1]])
        return np.asarray((self.log_m >= threshold) & self.above & before)


def rise_of(value: Floats, error: Floats, reference: Reference, policy: Monitor) -> Rise:
    """The detector over estimates of consecutive blocks.

    Args:
        value: (n,) estimated loss.
        error: (n,) its standard error.
        reference: what is usual, and how much days differ.
        policy: what is tolerated.
    """
    mu0 = tolerated(reference, policy)
    z = (value - mu0) / np.maximum(np.sqrt(error**2 + reference.loss_spread**2), 1e-9)
    return Rise(gaussian_cusum(z), np.asarray(value - 1.645 * error > mu0))


def estimate_threshold(length: timedelta, policy: Monitor, raised: float = 1.0) -> float:
    """Log threshold of the detector, by its share of the budget."""
    budget = policy.pages_per_month * PAGE_SHARES["estimated_loss"]
    return threshold_for(budget, looks_per_month(length)) + math.log(raised)


def monitor_estimate(
    estimates: Sequence[Estimate],
    starts: Sequence[datetime],
    length: timedelta,
    reference: Reference,
    policy: Monitor,
    *,
    model: str,
    version: int,
    before: datetime | None = None,
    raised: float = 1.0,
    armed: bool = True,
) -> Alarms:
    """The finding of the last block, and those that came and went since the look before.

    Args:
        estimates: one a block; those without a value say nothing.
        starts: when each block begins.
        length: of a block.
        reference: what is usual.
        policy: ``[monitor]`` of the spec.
        model: whose predictions they are.
        version: whose predictions they are.
        before: end of the look before this one; None for the first.
        raised: factor on the run length, from :func:`holdfast.monitoring.arming.arm`.
        armed: whether it may page.
    """
    said = [i for i, one in enumerate(estimates) if one.value is not None]
    if len(said) < 2:
        return Alarms()
    value = np.array([estimates[i].value for i in said], dtype=np.float64)
    error = np.array([estimates[i].error for i in said], dtype=np.float64)
    rise = rise_of(value, error, reference, policy)
    threshold = estimate_threshold(length, policy, raised)
    on = rise.over(threshold)

    def finding(k: int) -> Finding:
        start = run_start(rise.above[: k + 1])
        assert start is not None  # block k lies above
        last, begun = estimates[said[k]], starts[said[start]]
        return Finding(
            id=finding_id(model, version, "estimated_loss", "loss", begun),
            model=model, version=version, kind="estimated_loss", subject="loss", pages=armed,
            since=begun, at=starts[said[k]] + length,
            sentence=(
                f"The estimated loss of version {version} has risen to {value[k]:.3f}"
                f" ({last.low:.3f} to {last.high:.3f}) since {day(begun)}; on held-out rows it was"
                f" {reference.loss:.3f}, and up to {tolerated(reference, policy):.3f} is tolerated."
                " No labels confirm it yet."
            ),
            value=float(value[k]), low=last.low, high=last.high, reference=reference.loss,
            log_e=float(rise.log_m[k]), log_threshold=threshold,
            rows=sum(estimates[i].rows for i in said[start : k + 1]),
        )  # fmt: skip

    ended = [k for k in range(len(said) - 1) if on[k] and not on[k + 1]]
    still = finding(len(said) - 1) if on[-1] and said[-1] == len(estimates) - 1 else None
    past = [finding(k) for k in ended if before and starts[said[k]] + length > before]
    passed = {one.id: one for one in past if still is None or one.id != still.id}
    return Alarms(still, tuple(passed.values()))
