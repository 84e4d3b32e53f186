"""Arming: before a monitor may page, it is rehearsed where nothing is known to be wrong.

Months are made of the days that were held out, drawn in runs of a few so that weather stays
together, and the very detectors of production run over them. What they report there is false by
definition. A monitor that reports more than its share of the budget gets a longer run length; one
that no run length quietens stays unarmed: it is shown, and wakes nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.estimate_monitor import estimate_threshold, rise_of
from holdfast.monitoring.findings import PAGE_SHARES
from holdfast.monitoring.loss_monitor import episodes, evidence_of, thresholds
from holdfast.records import Armed, Arming, FindingKind, History, Reference, digest
from holdfast.spec import Monitor

LEAST_DAYS = 10
MONTHS = 60
_STREAM = 3  # months in a row
_RUN = 3  # days that stay together
_MOST_ROWS = 1000  # labels of a day
_FACTORS = tuple(4.0**k for k in range(11))
_DAY = 86_400_000_000

Floats = NDArray[np.float64]
Days = NDArray[np.intp]
Pages = Callable[[float], int]
"""How often a monitor would have paged with its run length multiplied by so much."""


def arm(reference: Reference, policy: Monitor, seed: int = 0) -> Arming:
    """Rehearses the monitors of one version.

    Args:
        reference: with the held-out rows day by day.
        policy: ``[monitor]`` of the spec: tolerance, budget, block.
        seed: same seed, same months.
    """
    past = reference.history
    known = 0 if past is None else len(past.days)
    if past is None or known < LEAST_DAYS:
        said = f"not rehearsed: the held-out rows span {known} days, and {LEAST_DAYS} are needed"
        monitors = tuple(_unrehearsed(kind, policy, said) for kind in _KINDS)
        return Arming(policy=policy_digest(policy), monitors=monitors)
    rng = np.random.default_rng(seed)
    streams = [_drawn(known, rng) for _ in range(MONTHS // _STREAM)]
    measured = [_measured(past, days, reference, policy, rng) for days in streams]
    estimated = [_estimated(past, days, reference, policy) for days in streams]
    return Arming(
        policy=policy_digest(policy),
        monitors=(
            _armed("realised_loss", policy, lambda factor: sum(run(factor) for run in measured)),
            _armed("estimated_loss", policy, lambda factor: sum(run(factor) for run in estimated)),
        ),
    )


def policy_digest(policy: Monitor) -> str:
    """Tells policies apart for which a rehearsal would differ."""
    said = [policy.tolerance, policy.pages_per_month, policy.block.total_seconds()]
    return digest(repr(said).encode())


_KINDS: tuple[FindingKind, ...] = ("realised_loss", "estimated_loss")


def _drawn(known: int, rng: np.random.Generator) -> Days:
    """Days of one stream: runs of held-out days, the end followed by the beginning."""
    length = 30 * _STREAM
    starts = rng.integers(0, known, -(-length // _RUN))
    return ((starts[:, None] + np.arange(_RUN)) % known).ravel()[:length]


def _measured(
    past: History, days: Days, reference: Reference, policy: Monitor, rng: np.random.Generator
) -> Pages:
    """The monitor of the measured loss over one stream, labels in random order within days."""
    table = np.array([day.losses for day in past.days])
    parts = []
    for day in days:
        cells = np.repeat(np.arange(table.shape[1]), table[day])
        parts.append(rng.permutation(cells)[:_MOST_ROWS])
    rows = np.array([part.size for part in parts])
    losses = np.clip(np.array(past.values)[np.concatenate(parts)], 0.0, 1.0)
    place = np.repeat(np.arange(days.size), rows)
    within = np.arange(losses.size) - np.repeat(np.cumsum(rows) - rows, rows)
    arrived = place * _DAY + within * (_DAY // np.maximum(rows[place], 1))
    block = arrived // (policy.block // timedelta(microseconds=1))
    complete = int(block[-1]) + 1 if block.size else 0
    evidence = evidence_of(losses, block, complete, reference, policy)

    def pages(factor: float) -> int:
        on = evidence.over(thresholds(arrived, policy, factor))
        return len(episodes(evidence.labels, on))

    return pages


def _estimated(past: History, days: Days, reference: Reference, policy: Monitor) -> Pages:
    """The monitor of the estimated loss over one stream; whatever the block, by days."""
    value = np.array([past.days[day].expected for day in days])
    error = np.array([past.days[day].error for day in days])
    rise = rise_of(value, error, reference, policy)

    def pages(factor: float) -> int:
        on = rise.over(estimate_threshold(timedelta(days=1), policy, factor))
        return int(np.count_nonzero(on & ~np.concatenate([[False], on[:-1]])))

    return pages


def _armed(kind: FindingKind, policy: Monitor, pages: Pages) -> Armed:
    """The shortest run length that keeps the budget of a monitor on the months drawn."""
    budget = policy.pages_per_month * PAGE_SHARES[kind]
    first = pages(1.0) / MONTHS
    for factor in _FACTORS:
        rate = pages(factor) / MONTHS
        if rate <= budget:
            said = f"{rate:.2f} false pages a month in {MONTHS} rehearsed months"
            if factor > 1:
                said += f", with {factor:,.0f} times the run length; {first:.2f} without"
            return Armed(
                monitor=kind, budget=budget, replayed=rate, first=first, raised=factor,
                armed=True, sentence=f"{said}; {budget:.2f} are granted",
            )  # fmt: skip
    return Armed(
        monitor=kind, budget=budget, replayed=rate, first=first, raised=_FACTORS[-1], armed=False,
        sentence=(
            f"unarmed: {rate:.2f} false pages a month in {MONTHS} rehearsed months, whatever the"
            f" run length; {budget:.2f} are granted"
        ),
    )  # fmt: skip


def _unrehearsed(kind: FindingKind, policy: Monitor, said: str) -> Armed:
    budget = policy.pages_per_month * PAGE_SHARES[kind]
    return Armed(
        monitor=kind, budget=budget, replayed=None, first=None, raised=1.0, armed=True,
        sentence=f"{said}; {budget:.2f} false pages a month are granted",
    )  # fmt: skip
