"""Gathers the numbers of a report from the installation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from holdfast.control.points import merged, points
from holdfast.control.quality import current, levels_of
from holdfast.control.report.columns import column_drift, column_shares
from holdfast.control.report.hindsight import hindsight
from holdfast.control.report.numbers import ColumnShares, Lived, Report, SliceQuality, Traffic
from holdfast.control.report.slices import slice_quality
from holdfast.control.report.unknown import unknown
from holdfast.control.seen import read_looks
from holdfast.control.trust import trust
from holdfast.errors import HoldfastError, UsageError
from holdfast.loop.container import Container
from holdfast.loop.stints import Stint, stints
from holdfast.records import Incident, Reference, Release, joined
from holdfast.spec import Spec

WINDOW = timedelta(days=30)
_MOST = 10_000


def report_of(
    container: Container, model: str, start: datetime | None = None, end: datetime | None = None
) -> Report:
    """The numbers of one model over a window.

    Args:
        container: the wiring.
        model: which.
        start: aware; thirty days before ``end`` by default.
        end: aware, the first moment after the window; now by default.

    Raises:
        NotFoundError: when there is no such model.
        UsageError: when the window does not begin before it ends.
    """
    now = container.clock.now()
    end = end or now
    start = start or end - WINDOW
    if start >= end:
        raise UsageError(
            "report.window", "the window must begin before it ends", "Give an earlier --from."
        )
    spec = container.spec(model)
    store = container.store
    with store.read() as tx:
        lived = stints(store.routes.history(tx, model, _MOST))
        looks = read_looks(store.looks.history(tx, model))
        findings = store.findings.list(tx, model, since=start, limit=_MOST)
        incidents = _incidents(store.incidents.list(tx, model, limit=_MOST), start, end)
        behind = (store.findings.find(tx, name) for one in incidents for name in one.findings)
        known = {one.id: one for one in (*findings, *behind) if one is not None and one.at < end}
        releases = _releases(store.releases.list(tx, model, _MOST), start, end)
        decisions = store.decisions.list(tx, model, since=start, limit=_MOST)
    within = _within(lived, start, end, now)
    block = spec.monitor.block
    shown = tuple(
        one for one in points(looks, within, block) if one.end > start and one.start < end
    )
    seen = tuple(one for one in looks if any(one.version == s.version for s in within))
    decided = tuple(one for one in decisions if one.at < end)
    shares, trouble = _shares(container, spec, within, start, end)
    slices, more = _slices(container, spec, within, start, end)
    recorded = container.recorded_until()
    return Report(
        model=model, task=spec.model.task, start=start, end=end, at=now, block=block,
        minimum=spec.monitor.minimum, recorded_until=recorded,
        lived=tuple(Lived(*one) for one in within),
        traffic=_traffic(container, model, start, end),
        volume=_volume(container, model, start, end, block),
        by_version=merged(shown, end - start + 2 * block),
        points=shown, levels=levels_of(seen, within), hindsight=hindsight(shown),
        drift=column_drift(looks, within, block, start, end),
        shares=shares, sliced=spec.monitor.slices or spec.gate.slices, slices=slices,
        spells=joined(one for look in seen for one in look.broken
                      if one.end > start and one.start < end),
        findings=tuple(sorted(known.values(), key=lambda one: one.at, reverse=True)),
        incidents=incidents, releases=releases,
        decisions=tuple(one for one in decided if one.action != "nothing"),
        quiet=sum(one.action == "nothing" for one in decided),
        trust=trust(current(looks, within)),
        unknown=(*unknown(within, looks, shown, recorded, end), *trouble, *more),
        drift_slices=seen[-1].slices if seen else "",
    )  # fmt: skip


def _within(
    lived: Sequence[Stint], start: datetime, end: datetime, now: datetime
) -> tuple[Stint, ...]:
    """Those that touch the window; what went live this moment counts for a window until now."""
    return tuple(
        one
        for one in lived
        if (one.since < end or (one.until is None and end >= now))
        and (one.until is None or one.until > start)
    )


def _incidents(found: Sequence[Incident], start: datetime, end: datetime) -> tuple[Incident, ...]:
    """Those that were open at some time of the window."""
    return tuple(
        one
        for one in found
        if one.opened_at < end and (one.closed_at is None or one.closed_at >= start)
    )


def _releases(found: Sequence[Release], start: datetime, end: datetime) -> tuple[Release, ...]:
    """Those that began, ended or moved in the window."""
    return tuple(
        one
        for one in found
        if one.started_at < end and (not one.state.ended or one.step_at >= start)
    )


def _traffic(
    container: Container, model: str, start: datetime, end: datetime
) -> tuple[Traffic, ...]:
    seconds = pl.col("seconds").filter(pl.col("error") == "")
    found = (
        container.log.scan(model, start, end, role="live")
        .group_by("version")
        .agg(
            rows=pl.len().cast(pl.Int64),
            failed=(pl.col("error") != "").sum().cast(pl.Int64),
            typical=seconds.median(),
            slowest=seconds.quantile(0.99),
        )
        .sort("version")
        .collect()
    )
    return tuple(Traffic(**row) for row in found.iter_rows(named=True))


def _volume(
    container: Container, model: str, start: datetime, end: datetime, block: timedelta
) -> tuple[tuple[datetime, int], ...]:
    """Predictions of each block; blocks begin where those of the monitor may, at full hours."""
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    micro = pl.col("at").dt.epoch("us") - round(first.timestamp() * 1e6)
    place = (micro // round(block.total_seconds() * 1e6)).alias("place")
    rows = container.log.scan(model, start, end, role="live").group_by(place).len().collect()
    found = dict(rows.iter_rows())
    if not found:
        return ()
    count = -(-(end - first) // block)
    begins = ((place, first + place * block) for place in range(count))
    return tuple((at, int(found.get(place, 0))) for place, at in begins if at + block > start)


def _shares(
    container: Container, spec: Spec, lived: Sequence[Stint], start: datetime, end: datetime
) -> tuple[tuple[ColumnShares, ...], tuple[str, ...]]:
    """What came in for the version that was live last; or why it cannot be known."""
    if not lived:
        return (), ()
    last = lived[-1]
    reference, trouble = _reference(container, spec, last.version)
    counts = container.summaries.load(spec.model.name, last.version, start, end)
    if reference is None or counts is None:
        none = f"Nothing that version {last.version} was asked has been counted in this window."
        return (), trouble or (none,)
    return column_shares(reference, counts, start, end), ()


def _slices(
    container: Container, spec: Spec, lived: Sequence[Stint], start: datetime, end: datetime
) -> tuple[tuple[SliceQuality, ...], tuple[str, ...]]:
    names = spec.monitor.slices or spec.gate.slices
    if not names or not lived:
        return (), ()
    return slice_quality(container, spec, names, [one.version for one in lived], start, end)


def _reference(
    container: Container, spec: Spec, number: int
) -> tuple[Reference | None, tuple[str, ...]]:
    try:
        return container.reference(container.version(spec.model.name, number)), ()
    except (HoldfastError, OSError):
        text = f"The bundle of version {number} is not here, so its held-out rows are not known."
        return None, (text,)
