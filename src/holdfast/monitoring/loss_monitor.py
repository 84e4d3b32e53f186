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

from holdfast.monitoring.findings import PAGE_SHARES, day, finding_id, looks_per_month
from holdfast.monitoring.quality import mean_interval
from holdfast.records import Finding, Reference
from holdfast.spec import Monitor
from holdfast.statistics.eprocess import change_point, cusum, gaussian_cusum, threshold_for

LEAST_RUN = 1000.0
LEAST_LABELS = 30
MOST_MEAN = 0.99
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTH = 30 * 86_400e6  # microseconds

Floats = NDArray[np.float64]
Micros = NDArray[np.int64]


class Alarms(NamedTuple):
    """What a monitor found: what is ``open`` now, and what ``passed`` since the look before."""

    open: Finding | None = None
    passed: tuple[Finding, ...] = ()


class Evidence(NamedTuple):
    """Both detectors at each label, (n,) each: over labels, and over the blocks closed by then."""

    labels: Floats
    blocks: Floats

    def over(self, thresholds: tuple[float, float]) -> NDArray[np.bool_]:
        """(n,) where both agree that the loss has risen."""
        agree = (self.labels >= thresholds[0]) & (self.blocks >= thresholds[1])
        return np.asarray(agree & long_enough(self.labels))


def monitor_loss(
    known: pl.DataFrame,
    reference: Reference,
    policy: Monitor,
    *,
    model: str,
    version: int,
    since: datetime,
    until: datetime,
    before: datetime | None = None,
    raised: float = 1.0,
    armed: bool = True,
) -> Alarms:
    """The finding that is open at ``until``, and those that came and went since ``before``.

    Args:
        known: what :func:`holdfast.monitoring.quality.labelled` made of the outcomes.
        reference: the held-out loss, and how much days differ.
        policy: tolerance, budget of pages, length of a block.
        model: whose predictions they are.
        version: whose predictions they are.
        since: start of the first block.
        until: end of what is looked at.
        before: end of the look before this one; None for the first, which reports nothing passed.
        raised: factor on the run length, from :func:`holdfast.monitoring.arming.arm`.
        armed: whether it may page.
    """
    if not known.height:
        return Alarms()
    losses = known["loss"].to_numpy()
    arrived = known["label_at"].dt.epoch("us").to_numpy()
    mu0 = tolerated(reference, policy)
    block = (arrived - _micros(since)) // _span(policy.block)
    complete = int((until - since) / policy.block)
    evidence = evidence_of(losses, block, complete, reference, policy)
    limits = thresholds(arrived, policy, raised)
    last = None if before is None else _micros(before)

    def finding(at: int, closed: int | None) -> Finding:
        first = change_point(losses[: at + 1], mu0)
        begun, rows = _time(int(arrived[first])), losses[first:closed]
        mean, low, high = mean_interval(rows)
        return Finding(
            id=finding_id(model, version, "realised_loss", "loss", begun),
            model=model, version=version, kind="realised_loss", subject="loss", pages=armed,
            since=begun, at=_time(int(arrived[at])),
            sentence=(
                f"The measured loss of version {version} has been {mean:.3f} ({low:.3f} to"
                f" {high:.3f}) since {day(begun)}; on held-out rows it was {reference.loss:.3f},"
                f" and up to {mu0:.3f} is tolerated. Found after {at - first + 1:,} labels; by"
                f" chance at most once in {math.exp(limits[0]):,.0f}."
            ),
            value=mean, low=low, high=high, reference=reference.loss,
            log_e=float(evidence.labels[at]), log_threshold=limits[0], rows=rows.size,
        )  # fmt: skip

    still, passed = None, []
    for at, closed in episodes(evidence.labels, evidence.over(limits)):
        if closed is None:
            still = finding(at, closed)
        elif last is not None and int(arrived[closed]) > last:
            passed.append(finding(at, closed))
    return Alarms(still, tuple(passed))


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


def thresholds(arrived: Micros, policy: Monitor, raised: float = 1.0) -> tuple[float, float]:
    """Log thresholds of the detector over labels and of that over blocks."""
    budget = policy.pages_per_month * PAGE_SHARES["realised_loss"]
    blocks = threshold_for(budget, looks_per_month(policy.block))
    more = math.log(raised)
    return math.log(run_length(arrived, budget)) + more, blocks + more


def long_enough(log_m: Floats, least: int = LEAST_LABELS) -> NDArray[np.bool_]:
    """(n,) whether the evidence that stands has grown over at least ``least`` labels.

    Five labels of loss 1 outbid a threshold of 1,000; yet nobody is woken by five rows,
    which may be one broken batch.

    >>> long_enough(np.array([0.0, 5.0, 9.0, -1.0, 5.0]), least=2).tolist()
    [False, False, True, False, False]
    """
    place = np.arange(log_m.size)
    quiet = np.maximum.accumulate(np.where(log_m <= 0, place, -1))
    return np.asarray(place - quiet >= least)


def episodes(log_m: Floats, on: NDArray[np.bool_]) -> list[tuple[int, int | None]]:
    """The label at which each alarm began, and that at which nothing spoke for it any more.

    Args:
        log_m: (n,) the detector; where it is not above 0 an alarm ends.
        on: (n,) where there is enough for an alarm.

    >>> episodes(np.array([1.0, 9.0, 9.0, 0.0, 9.0]), np.array([False, True, True, False, True]))
    [(1, 3), (4, None)]
    """
    quiet, raised = np.flatnonzero(log_m <= 0), np.flatnonzero(on)
    spell, first = np.unique(np.searchsorted(quiet, raised), return_index=True)
    return [
        (int(raised[k]), int(quiet[s]) if s < quiet.size else None)
        for s, k in zip(spell, first, strict=True)
    ]


def evidence_of(
    losses: Floats, block: Micros, complete: int, reference: Reference, policy: Monitor
) -> Evidence:
    """Both detectors over labels in the order of their arrival.

    Args:
        losses: (n,) bounded losses.
        block: (n,) the block in which each label came.
        complete: how many blocks are over.
        reference: the held-out loss, and how much days differ; without the latter the blocks
            always agree.
        policy: tolerance and budget.
    """
    log_m = cusum(losses, tolerated(reference, policy))
    spread, centre = reference.loss_spread, min(reference.loss + policy.tolerance, MOST_MEAN)
    if spread <= 0:
        return Evidence(log_m, np.full(losses.size, np.inf))
    found, first, inverse = np.unique(block, return_index=True, return_inverse=True)
    rows = np.bincount(inverse)
    means = np.bincount(inverse, weights=losses) / rows
    around = np.bincount(inverse, weights=(losses - means[inverse]) ** 2)
    # Brier losses vary much less than losses of 0 and 1; a few rows know little of that.
    variance = (around + LEAST_LABELS * centre * (1 - centre)) / (rows + LEAST_LABELS)
    error = np.sqrt(spread**2 + variance / rows)
    seen = np.where(found < complete, gaussian_cusum((means - centre) / error), -np.inf)
    # A label knows the blocks before its own; the last of a block closes it.
    known = np.concatenate([[-np.inf], seen[:-1]])[inverse]
    known[np.append(first[1:], losses.size) - 1] = seen
    return Evidence(log_m, known)


def _span(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
