"""The sequential loss monitor: the one that wakes people, so its false alarms are bounded.

Labels are taken as they arrive; their bounded losses feed a CUSUM e-detector of "the mean loss is
at most the held-out loss (upper bound) + tolerance", valid at every label without independence
(Shin, Ramdas and Rinaldo, arXiv 2203.03532; Podkopaev and Ramdas, arXiv 2110.06177).

That hypothesis speaks of each label given its past, and on a day of storms it is broken without
anything being wrong with the model. Where the reference knows how much days differ
(``loss_spread``), a second detector over block means, in units of that spread, must agree. Two
detectors that must agree alarm no more often than either alone. The second is centred on the
held-out mean + tolerance, not on its upper bound: the first already pays for that uncertainty.

It is approximate: days are taken as nearly normal, and their spread comes from few of them.
Simulated with 900 labels a day, days that vary by 0.055 and follow one another with correlation
0 / 0.3 / 0.5, spread learned from 24 days, 60 streams of three months each and a budget of 1.5
false pages a stream: 2 / 10 / 13 streams paged without a change (label detector alone: 52 / 46 /
44; both on the upper bound: 0 / 5 / 5). A rise of 0.09 was found after 5 / 7 / 7 days and never
missed (both on the upper bound: 10 / 12 / 9 days, 5 / 8 / 16 of 60 missed).
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.monitoring.findings import REALISED_SHARE, day, finding_id, looks_per_month
from holdfast.monitoring.quality import mean_interval
from holdfast.records import Finding, Reference
from holdfast.spec import Monitor
from holdfast.statistics.eprocess import change_point, cusum, gaussian_cusum, threshold_for

LEAST_RUN = 1000.0
MOST_MEAN = 0.99
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTH = 30 * 86_400e6  # microseconds

Floats = NDArray[np.float64]
Micros = NDArray[np.int64]


class Alarm(NamedTuple):
    """Where a detector alarmed: at which label, and from which the evidence speaks."""

    label: int
    since: int
    log_m: float


def monitor_loss(
    known: pl.DataFrame,
    reference: Reference,
    policy: Monitor,
    *,
    model: str,
    version: int,
    since: datetime,
    until: datetime,
) -> Finding | None:
    """The finding that is open at ``until``, or None.

    Args:
        known: what :func:`holdfast.monitoring.quality.labelled` made of the outcomes.
        reference: the held-out loss, and how much days differ.
        policy: tolerance, budget of pages, length of a block.
        model: whose predictions they are.
        version: whose predictions they are.
        since: start of the first block.
        until: end of what is looked at.
    """
    if not known.height:
        return None
    losses = known["loss"].to_numpy()
    arrived = known["label_at"].dt.epoch("us").to_numpy()
    mu0 = tolerated(reference, policy)
    threshold = math.log(run_length(arrived, policy.pages_per_month * REALISED_SHARE))
    log_m = cusum(losses, mu0)
    block = (arrived - _micros(since)) // _span(policy.block)
    complete = int((until - since) / policy.block)
    agrees = _blocks_agree(losses, block, complete, reference, policy)
    alarm = open_alarm(losses, log_m, mu0, (log_m >= threshold) & agrees)
    if alarm is None:
        return None
    mean, low, high = mean_interval(losses[alarm.since :])
    begun = _time(int(arrived[alarm.since]))
    found_after = alarm.label - alarm.since + 1
    return Finding(
        id=finding_id(model, version, "realised_loss", "loss", begun),
        model=model,
        version=version,
        kind="realised_loss",
        subject="loss",
        pages=True,
        since=begun,
        at=_time(int(arrived[alarm.label])),
        sentence=(
            f"The measured loss of version {version} has been {mean:.3f} ({low:.3f} to {high:.3f})"
            f" since {day(begun)}; on held-out rows it was {reference.loss:.3f}, and up to"
            f" {mu0:.3f} is tolerated. Found after {found_after:,} labels."
        ),
        value=mean,
        low=low,
        high=high,
        reference=reference.loss,
        log_e=alarm.log_m,
        log_threshold=threshold,
        rows=losses.size - alarm.since,
    )


def tolerated(reference: Reference, policy: Monitor) -> float:
    """The mean loss up to which nobody is woken: the held-out loss's upper bound + tolerance."""
    return min(reference.loss_high + policy.tolerance, MOST_MEAN)


def run_length(arrived: Micros, pages_per_month: float) -> float:
    """Average run length, in labels, that keeps within the budget: labels a month / pages a month.

    Rounded up to a power of two, so that it does not move with every label, and never below 1,000:
    with few labels a budget in months would have a page stand on a handful of them.

    >>> run_length(np.arange(0, 30 * 86_400_000_000, 86_400_000), pages_per_month=1.0)
    32768.0
    """
    span = max(int(arrived.max() - arrived.min()), 86_400_000_000) if arrived.size else _MONTH
    monthly = arrived.size * _MONTH / span
    wanted = max(monthly / pages_per_month, LEAST_RUN)
    return float(2 ** math.ceil(math.log2(wanted)))


def open_alarm(losses: Floats, log_m: Floats, mu0: float, on: NDArray[np.bool_]) -> Alarm | None:
    """The first alarm since the evidence was last down to nothing; None when there is none."""
    quiet = np.flatnonzero(log_m <= 0)
    after = int(quiet[-1]) + 1 if quiet.size else 0
    raised = np.flatnonzero(on[after:])
    if not raised.size:
        return None
    at = after + int(raised[0])
    return Alarm(at, change_point(losses[: at + 1], mu0), float(log_m[at]))


def _blocks_agree(
    losses: Floats, block: Micros, complete: int, reference: Reference, policy: Monitor
) -> NDArray[np.bool_]:
    """(n,) whether the detector over complete blocks agreed when each label came."""
    spread, centre = reference.loss_spread, min(reference.loss + policy.tolerance, MOST_MEAN)
    if spread <= 0:
        return np.ones(losses.size, dtype=np.bool_)
    found, first, inverse = np.unique(block, return_index=True, return_inverse=True)
    rows = np.bincount(inverse)
    means = np.bincount(inverse, weights=losses) / rows
    error = np.sqrt(spread**2 + centre * (1 - centre) / rows)
    budget = policy.pages_per_month * REALISED_SHARE
    threshold = threshold_for(budget, looks_per_month(policy.block))
    over = (gaussian_cusum((means - centre) / error) >= threshold) & (found < complete)
    # A label knows the blocks before its own; the last of a block closes it.
    agrees = np.concatenate([[False], over[:-1]])[inverse]
    agrees[np.append(first[1:], losses.size) - 1] = over
    return np.asarray(agrees, dtype=np.bool_)


def _span(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
