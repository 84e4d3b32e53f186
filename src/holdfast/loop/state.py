"""What the loop knows of a model beside its findings, for deciding."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from holdfast.deciding.decide import State
from holdfast.deciding.retraining import wait_after
from holdfast.loop.container import Container
from holdfast.loop.routing import latest_release
from holdfast.loop.triggers import Plans
from holdfast.records import Finding, Job, JobState, ReleaseState, Version
from holdfast.spec import Spec

MONTH = timedelta(days=30)
_TAKEN_BACK = (ReleaseState.ABORTED, ReleaseState.INCONCLUSIVE, ReleaseState.ROLLED_BACK)


def state_of(
    container: Container,
    tx: Connection,
    spec: Spec,
    version: Version,
    since: datetime,
    findings: Sequence[Finding],
    plans: Plans,
) -> State:
    """All of it, in one transaction.

    Args:
        container: the wiring.
        tx: the transaction.
        spec: the model's.
        version: the one that answers now.
        since: when it went live.
        findings: of this look.
        plans: what calls for a training besides.
    """
    store, model, now = container.store, version.model, container.clock.now()
    jobs = [job for job in store.jobs.recent(tx, model, 200) if job.kind == "train"]
    loops = [job for job in jobs if job.payload.get("origin") == "loop"]
    watched = [
        release
        for release in store.releases.active(tx, model)
        if release.state == ReleaseState.WATCHED and release.version == version.number
    ]
    outcomes = {job.id: outcome_of(container, tx, job) for job in jobs if job in loops}
    pending = any(one is None for one in outcomes.values()) or any(
        job.state in (JobState.QUEUED, JobState.RUNNING) for job in jobs
    )
    # A paused model is not retrained; what is live is watched, and taken back, all the same.
    halted = store.models.get(tx, model).paused or store.releases.moving(tx, model) is not None
    failures = _failures(container, tx, jobs)
    return State(
        last_retrain_at=loops[0].created_at if loops else None,
        retrains_in_30_days=sum(job.created_at > now - MONTH for job in loops),
        failures=failures,
        pending_action="retrain" if pending or halted else None,
        consecutive_looks=consecutive(findings, spec, now),
        released_at=since,
        release_watching=bool(watched),
        previous_version=watched[0].previous if watched else None,
        contract_broken=_contract_trouble(loops, now, wait_after(failures, spec.retrain)),
        new_data=plans.data,
        code_changed=plans.code,
        schedule_due=plans.schedule,
        asked_at=plans.asked,
    )


def outcome_of(container: Container, tx: Connection, job: Job) -> bool | None:
    """Whether a training came to something; None while that is open.

    It came to nothing when it failed, its version did not pass the gate, or the release of that
    version was taken back.
    """
    if job.state != JobState.DONE:
        return False if job.state == JobState.FAILED else None
    store, number = container.store, int(job.result["version"])
    verdict = store.verdicts.latest(tx, job.model, number)
    if verdict is None:
        gates = (one for one in store.jobs.recent(tx, job.model, 200) if one.kind == "gate")
        failed = any(
            one.state == JobState.FAILED and one.payload.get("version") == number for one in gates
        )
        return False if failed else None
    if verdict.outcome != "pass":
        return False
    release = latest_release(container, tx, job.model, number)
    return release is None or release.state not in _TAKEN_BACK


def _failures(container: Container, tx: Connection, jobs: Sequence[Job]) -> int:
    """Retrainings of the loop, up to the last, that came to nothing; any success ends the row."""
    count = 0
    for job in jobs:
        outcome = outcome_of(container, tx, job)
        if outcome:
            return count
        if outcome is False and job.payload.get("origin") == "loop":
            count += 1
    return count


def consecutive(findings: Sequence[Finding], spec: Spec, now: datetime) -> dict[str, int]:
    """Blocks in a row that each finding has held, under the names that decisions look for."""
    block = spec.monitor.block
    held: dict[str, int] = {}
    for finding in findings:
        if finding.kind in ("realised_loss", "estimated_loss"):
            held[finding.kind] = max(int((now - finding.since) / block), 1)
        elif not finding.pages:
            held[finding.subject] = max(round((finding.at - finding.since) / block), 1)
    return held


def _contract_trouble(loops: Sequence[Job], now: datetime, wait: timedelta) -> str:
    """Why the last retraining's data were refused; empty when they were not.

    Only until it is time to try again: whether the data have healed shows when they are read.
    """
    if loops and loops[0].state == JobState.FAILED and now < loops[0].created_at + wait:
        error = loops[0].result.get("error") or loops[0].result
        if error.get("code") == "data.contract":
            return str(error["message"])
    return ""
