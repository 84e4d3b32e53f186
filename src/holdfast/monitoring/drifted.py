"""Findings of drift: runs of blocks in which a column (of a slice) or a pair was declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.cells import PREDICTION
from holdfast.monitoring.drift import Drift, run_start
from holdfast.monitoring.findings import day, finding_id
from holdfast.monitoring.merge import Blocks
from holdfast.records import Finding, FindingKind


def drifted(
    columns: Sequence[Drift],
    seen: Blocks,
    model: str,
    version: int,
    before: datetime | None,
) -> Iterator[Finding]:
    """Drift that goes on at the last block; or with ``before``, drift that ended since then."""
    for one in columns:
        # Blocks without enough rows say nothing, so they do not end a run either.
        places: NDArray[np.intp] = np.flatnonzero(one.enough)
        flags = one.declared[places]
        for end in _ends(flags, [seen.starts[int(k)] + seen.length for k in places], before):
            start = run_start(flags[: end + 1])
            if start is not None:
                first, last = int(places[start]), int(places[end])
                yield _drift_finding(one, seen, model, version, first, last)


def _ends(
    flags: NDArray[np.bool_], until: Sequence[datetime], before: datetime | None
) -> Iterator[int]:
    """Where runs end: at the last block, or with ``before`` at blocks after it but the last."""
    if before is None:
        if flags.size:
            yield flags.size - 1
        return
    for k in range(flags.size - 1):
        if flags[k] and not flags[k + 1] and until[k] > before:
            yield k


def _drift_finding(
    one: Drift, seen: Blocks, model: str, version: int, first: int, last: int
) -> Finding:
    begun = seen.starts[first]
    about_answers = one.column == PREDICTION
    kind: FindingKind = "prediction_drift" if about_answers else "input_drift"
    joint = one.measure == "dependence"
    what = "The predictions have" if about_answers else f"The input '{one.column}' has"
    where = f" where {one.slice}" if one.slice else ""
    subject = one.column + where
    what = (
        f"The inputs {one.column} go together otherwise than in" if joint else f"{what} moved from"
    )
    unit = "rank distance" if one.measure == "rank_wasserstein" else "share of rows"
    span = int(one.span[last])
    over = "" if span == 1 else f" over {span} blocks"
    return Finding(
        id=finding_id(model, version, kind, subject, begun),
        model=model, version=version, kind=kind, subject=subject, pages=False, since=begun,
        at=seen.starts[last] + seen.length,
        sentence=(
            f"{what} the held-out rows{where} since {day(begun)}: {unit}"
            f" {one.effect[last]:.2f} (at least {one.low[last]:.2f}){over}, where up"
            f" to {one.floor[last]:.2f} is usual."
        ),
        value=float(one.effect[last]), low=float(one.low[last]), high=float(one.high[last]),
        reference=float(one.floor[last]), log_e=float(one.log_m[last]),
        rows=int(one.rows[first : last + 1].sum()), harm=None if joint else float(one.harm[last]),
        slice=one.slice,
    )  # fmt: skip
