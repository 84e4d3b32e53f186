"""When the last answer of a version that was taken back was given, read from the prediction log."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from holdfast.loop.container import Container, replace
from holdfast.records import Release, ReleaseState

TAKEN_BACK = (ReleaseState.ABORTED, ReleaseState.ROLLED_BACK, ReleaseState.INCONCLUSIVE)
SETTLED = timedelta(seconds=30)
"""Servers follow within this time, or say that they do not; the log must reach beyond it."""
RECENT = 5


def note_last_answers(container: Container, model: str) -> None:
    """Notes in releases that were taken back how long their version went on answering.

    The times in the log are of when each row was answered, so this covers every server, releases
    that the loop took back by itself, and requests that were under way when the route changed.
    """
    store = container.store
    newest = container.ask(store.releases.list, model, RECENT)
    wanting = [r for r in newest if r.state in TAKEN_BACK and r.last_answer_in is None]
    if not wanting:
        return
    until = container.recorded_until()
    for release in wanting:
        if until is None or until < release.step_at + SETTLED:
            continue
        seconds = _last_answer(container, release)
        with store.begin() as tx:
            present = store.releases.get(tx, release.id)
            store.releases.save(tx, replace(present, last_answer_in=seconds))


def _last_answer(container: Container, release: Release) -> float:
    end = release.step_at + SETTLED
    with container.store.read() as tx:
        later = [
            route.created_at
            for route in container.store.routes.history(tx, release.model, 1000)
            if route.created_at > release.step_at
            and any(arm.version == release.version for arm in route.arms)
        ]
    if later:  # it was ordered to answer again
        end = min(end, *later)
    log = container.log.scan(release.model, release.step_at, end, release.version, "live")
    last = log.filter(pl.col("at") >= release.step_at).select(pl.col("at").max()).collect().item()
    return 0.0 if last is None else float((last - release.step_at).total_seconds())
