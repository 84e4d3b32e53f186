"""Whether labels still come as they came: the delays that the correction of young cohorts rests on.

The first blocks whose labels are all there are the reference. Each later block gives an e-value of
how many labels came within the usual longest time, and, for each label, of how long those took:
given the label, so that a change of what is true is not taken for a change of delays. It never
pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.monitoring.drift import run_start
from holdfast.monitoring.findings import day, finding_id, looks_per_month
from holdfast.monitoring.late import mature_until, outcome_codes
from holdfast.monitoring.quality import ClassLabel
from holdfast.records import Finding
from holdfast.spec import Monitor, Task
from holdfast.statistics.eprocess import log_cusum, threshold_for
from holdfast.statistics.histogram import total_variation
from holdfast.statistics.multinomial import multinomial_log_e

LEARNED = 10
LEAST_LEARNED = 5
LEAST_LABELS = 1000
LEAST_EFFECT = 0.1
_CELLS = 8

Floats = NDArray[np.float64]
Micros = NDArray[np.int64]


class _Blocks(NamedTuple):
    """Labels by block: (N, 2) come in time or not; (N, K, cells) how long each label took."""

    came: Floats
    took: Floats


def watch_delays(
    outcomes: pl.DataFrame,
    known: pl.DataFrame,
    policy: Monitor,
    *,
    task: Task,
    model: str,
    version: int,
    since: datetime,
    until: datetime,
    length: timedelta,
    classes: Sequence[ClassLabel] = (),
    positive: ClassLabel = 1,
) -> Finding | None:
    """The finding that labels come otherwise than they did, if that is so now.

    Args:
        outcomes: all predictions, as :func:`holdfast.monitoring.quality.labelled` takes them.
        known: what that made of them.
        policy: ``[monitor]``; its budget sets the threshold, although this never pages.
        task: what is predicted.
        model: whose labels.
        version: whose labels.
        since: start of the first block.
        until: labels that came later do not exist yet.
        length: of a block.
        classes: class labels.
        positive: label of the positive class.
    """
    ripe = mature_until(known, until)
    if ripe is None or ripe - since < LEAST_LEARNED * length:
        return None
    learned = min(int((ripe - since) / length), LEARNED)
    end = since + learned * length
    first = known.filter((pl.col("at") >= since) & (pl.col("at") < end))
    if first.height < LEAST_LABELS:
        return None
    delay = (first["label_at"] - first["at"]).dt.total_microseconds().to_numpy()
    edges = np.unique(np.quantile(delay, np.arange(1, _CELLS + 1) / _CELLS * 0.9))
    latest = int((until - since - timedelta(microseconds=float(edges[-1]))) / length)
    if latest <= learned:
        return None
    codes = outcome_codes(known["label"], task, classes, positive)
    seen = _counted(outcomes, known, codes, edges, since, length, latest)
    effect, usual, log_m = _compared(seen, learned)
    threshold = threshold_for(policy.pages_per_month, looks_per_month(length))
    start = run_start((log_m >= threshold) & (effect > max(LEAST_EFFECT, usual)))
    if start is None:
        return None
    begun, longest = since + (learned + start) * length, timedelta(microseconds=float(edges[-1]))
    then, now = _share(seen.came[:learned]), _share(seen.came[learned + start :])
    late = known.filter((pl.col("at") >= begun) & (pl.col("at") < since + latest * length))
    took = (late["label_at"] - late["at"]).dt.total_microseconds().to_numpy()
    return Finding(
        id=finding_id(model, version, "label_delay", "labels", begun),
        model=model, version=version, kind="label_delay", subject="labels", pages=False,
        since=begun, at=since + latest * length,
        sentence=(
            f"Labels come otherwise since {day(begun)}: {now:.0%} within {_words(longest)}, where"
            f" {then:.0%} was usual, half of them within {_half(took)} and before"
            f" {_half(delay)}. What is said of young"
            " predictions rests on how they came."
        ),
        value=float(effect[-1]), reference=float(usual), log_e=float(log_m[-1]),
        log_threshold=threshold, rows=int(seen.came[learned + start :].sum()),
    )  # fmt: skip


def _counted(
    outcomes: pl.DataFrame,
    known: pl.DataFrame,
    codes: pl.Series,
    edges: Floats,
    since: datetime,
    length: timedelta,
    blocks: int,
) -> _Blocks:
    span = length // timedelta(microseconds=1)
    place = (pl.col("at") - since).dt.total_microseconds() // span
    made = outcomes.select(place.alias("at"))["at"].to_numpy()
    block = known.select(place.alias("at"))["at"].to_numpy()
    delay = (known["label_at"] - known["at"]).dt.total_microseconds().to_numpy()
    cell, kind = np.searchsorted(edges, delay, side="left"), codes.to_numpy()
    kinds = int(kind.max()) + 1
    kept = (cell < edges.size) & (block >= 0) & (block < blocks)
    place_of = (block[kept] * kinds + kind[kept]) * edges.size + cell[kept]
    took = np.bincount(place_of, minlength=blocks * kinds * edges.size)
    took = took.reshape(blocks, kinds, edges.size)
    rows = np.bincount(made[(made >= 0) & (made < blocks)], minlength=blocks)
    there = took.sum(axis=(1, 2))
    came = np.stack([there, np.maximum(rows - there, 0)], axis=1)
    return _Blocks(came.astype(np.float64), np.asarray(took, dtype=np.float64))


def _compared(seen: _Blocks, learned: int) -> tuple[Floats, float, Floats]:
    """(N − learned,) effect and log e-detector of the later blocks, and what is usual."""
    tables = [seen.came, *(seen.took[:, k] for k in range(seen.took.shape[1]))]
    later = len(seen.came) - learned
    effect, usual, log_e = np.zeros(later), 0.0, np.zeros(later)
    for table in tables:
        reference = table[:learned].sum(axis=0)
        if reference.sum() < LEAST_LABELS / 10 or reference.size < 2:
            continue
        each = total_variation(reference, table[:learned]).value
        usual = max(usual, float(np.max(each[table[:learned].sum(axis=1) > 0], initial=0.0)))
        distance = total_variation(reference, table[learned:])
        effect = np.maximum(effect, np.nan_to_num(distance.low()))
        log_e += multinomial_log_e(table[learned:], reference, int(reference.sum()))
    return effect, usual, log_cusum(log_e)


def _share(came: Floats) -> float:
    total = came.sum(axis=0)
    return float(total[0] / max(total.sum(), 1.0))


def _half(delays: Micros) -> str:
    middle = float(np.median(delays)) if delays.size else 0.0
    return _words(timedelta(microseconds=middle))


def _words(span: timedelta) -> str:
    """A span for a sentence.

    >>> _words(timedelta(hours=50)), _words(timedelta(minutes=90)), _words(timedelta(seconds=5))
    ('2.1 days', '1.5 hours', '5 seconds')
    """
    seconds = span.total_seconds()
    for name, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"
