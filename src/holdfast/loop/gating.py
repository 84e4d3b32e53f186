"""A version's verdict: asked for, kept, and told. How it is come by is in ``judging.py``."""

from __future__ import annotations

from typing import Any

from holdfast.loop.behaving import BehaviourRun
from holdfast.loop.container import Container
from holdfast.records import Job, Verdict, Version, digest
from holdfast.spec import Spec


def gate_now(
    container: Container, model: str, number: int | None = None, job: str | None = None
) -> Verdict:
    """Judges a version (the newest by default) against the champion and keeps the verdict.

    Args:
        container: the wiring.
        model: the model's name.
        number: of the version.
        job: id of the job that asks; it gets one verdict, however often it is started again.

    Raises:
        NotFoundError: when there is no such version.
        GateError: when it cannot be judged.
    """
    version = container.newest_version(model) if number is None else container.version(
        model, number
    )  # fmt: skip
    now = container.clock.now()
    route = container.ask(container.store.routes.current, model)
    against = route.champion.bundle if route else ""
    asked = job or f"{against}:{now}:{container.spec(model).gate}"
    id_ = "ver-" + digest(f"{model}:{version.number}:{version.bundle}:{asked}".encode())[7:31]
    kept = container.ask(container.store.verdicts.find, id_) if job else None
    verdict = kept or _judge(container, container.spec(model), version, id_)
    with container.store.begin("gate.judge") as tx:
        if container.store.verdicts.add(tx, verdict):
            sentence = f"version {version.number}: {verdict.outcome}; {verdict.sentence}"
            container.store.events.append(
                tx, now, "gate.judged", model, "holdfast",
                {"sentence": sentence, "verdict": verdict.to_dict()},
            )  # fmt: skip
    status = {"pass": "passed", "fail": "failed"}.get(verdict.outcome, verdict.outcome)
    container.registry.set_tag(model, version.number, "validation_status", status)
    from holdfast.loop.cards import keep_card

    keep_card(container, version)
    return verdict


def run_gate(container: Container, job: Job) -> dict[str, Any]:
    """Does a gate job."""
    verdict = gate_now(container, job.model, int(job.payload["version"]), job.id)
    return {
        "verdict": verdict.id,
        "sentence": f"version {verdict.version}: {verdict.outcome}; {verdict.sentence}",
    }


def _judge(container: Container, spec: Spec, version: Version, id_: str) -> Verdict:
    behaviour = BehaviourRun.start(container, spec, version)
    # Only now: what is imported with it takes a second, in which those tests get going.
    from holdfast.loop.judging import judge

    return judge(container, spec, version, id_, behaviour)
