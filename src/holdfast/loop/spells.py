"""When the inputs of a model were broken, from all looks that are kept."""

from __future__ import annotations

import msgspec

from holdfast.loop.container import Container
from holdfast.records import Finding, JobState, Spell, joined


class _Kept(msgspec.Struct, frozen=True):
    """What is needed of a stored look."""

    findings: tuple[Finding, ...] = ()
    broken: tuple[Spell, ...] = ()


def known_spells(container: Container, model: str) -> tuple[Spell, ...]:
    """The spells of a model; none of those that a person accepted by training on them."""
    store = container.store
    with store.read() as tx:
        looks = store.looks.history(tx, model)
        jobs = store.jobs.recent(tx, model, 1000)
    accepted = [
        job.created_at
        for job in jobs
        if job.kind == "train" and job.payload.get("accept") and job.state == JobState.DONE
    ]
    spells = [spell for kept in looks for spell in msgspec.json.decode(kept, type=_Kept).broken]
    return joined(one for one in spells if not accepted or one.start > max(accepted))


def broken_now(container: Container, model: str) -> bool:
    """Whether the last look at what is live found its inputs broken."""
    kept = container.ask(container.store.looks.latest, model)
    if kept is None:
        return False
    found = msgspec.json.decode(kept, type=_Kept).findings
    return any(one.kind == "contract" and one.pages for one in found)
