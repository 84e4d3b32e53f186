"""What calls for a training besides findings: code, new data, the schedule, and people."""

from __future__ import annotations

from datetime import UTC, datetime

from croniter import croniter

from holdfast.loop.container import Container
from holdfast.ports.ids import new_id
from holdfast.records import Job, Version
from holdfast.spec import Spec
from holdfast.training.code import code_version


def new_code(spec: Spec, version: Version) -> str:
    """Digest of the project's code, when the spec asks to watch it and it is not the version's."""
    if "code" not in spec.retrain.on:
        return ""
    digest = code_version(spec.root).digest
    return digest if digest != version.code.digest else ""


def newer_data(container: Container, spec: Spec, version: Version) -> str:
    """Names the newer labels, when there is at least a fifth more than the version was made of.

    Labels that reached this installation are counted: they cost nothing to look at, while reading
    the source may take minutes.
    """
    if "new_data" not in spec.retrain.on:
        return ""
    import polars as pl

    labels = container.labels.scan(version.model).filter(pl.col("at") > version.data_end)
    fresh = int(labels.select(pl.col("id").n_unique()).collect().item())
    seen = max((metric.n for metric in version.metrics), default=0) / spec.data.test
    return f"{fresh} labels since {version.data_end:%Y-%m-%d %H:%M}" if fresh >= seen / 5 else ""


def schedule_due(container: Container, spec: Spec, now: datetime) -> datetime | None:
    """The last moment of the schedule, when no training of the loop began since."""
    if "schedule" not in spec.retrain.on or spec.retrain.schedule is None:
        return None
    due = croniter(spec.retrain.schedule, now).get_prev(datetime)
    due = due if due.tzinfo else due.replace(tzinfo=UTC)
    store, model = container.store, spec.model.name
    added = container.ask(store.models.get, model).added_at
    jobs = container.ask(store.jobs.recent, model, 200)
    served = [job.created_at for job in jobs if job.kind == "train"]
    return due if due > max([added, *served]) else None


def ask_for_training(container: Container, model: str, actor: str, reason: str) -> Job:
    """Queues a training that the control plane runs, judges and releases like its own.

    One that is queued or running already is the answer.

    Raises:
        NotFoundError: when there is no such model.
    """
    store, now = container.store, container.clock.now()
    with store.begin("training.order") as tx:
        store.models.get(tx, model)
        for job in store.jobs.active(tx, model):
            if job.kind == "train":
                return job
        job = store.jobs.enqueue(
            tx, f"train:{model}:{new_id('order')}", "train", model,
            {"origin": "loop", "actor": actor, "accept": None}, now,
        )  # fmt: skip
        store.events.append(
            tx, now, "training.ordered", model, actor,
            {"sentence": f"{actor} asked for a training: {reason}", "job": job.id},
        )  # fmt: skip
    return job
