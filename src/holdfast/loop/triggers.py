"""What calls for a training besides findings: code, new data, the schedule, and people."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from holdfast.data.files import file_names
from holdfast.errors import ConflictError, DataError, NotFoundError
from holdfast.loop.container import Container
from holdfast.ports.ids import new_id
from holdfast.records import Decision, Job, Version, digest
from holdfast.spec import Spec, last_due, parse_amount
from holdfast.training.code import code_version

ASKED = "ask-"
"""How the ids of decisions begin that note what a webhook asked for."""


class Plans(NamedTuple):
    """What calls for a training besides findings.

    Args:
        code: digest of the code, when it is not the version's.
        data: what data are new, when they are enough.
        schedule: when it came due, while no training began since.
        asked: when a webhook asked, while no training began since.
    """

    code: str = ""
    data: str = ""
    schedule: datetime | None = None
    asked: datetime | None = None


def plans_of(container: Container, spec: Spec, version: Version, now: datetime) -> Plans:
    """What calls for a training of a model now."""
    store, model = container.store, spec.model.name
    with store.read() as tx:
        jobs = store.jobs.recent(tx, model, 200)
        since = store.models.get(tx, model).added_at
    began = max([since, *(job.created_at for job in jobs if job.kind == "train")])
    return Plans(
        new_code(spec, version),
        newer_data(container, spec, version),
        schedule_due(spec, began, now),
        asked_at(container, spec, began),
    )


def new_code(spec: Spec, version: Version) -> str:
    """Digest of the training code, when the spec asks to watch it and it is not the version's."""
    if "code" not in spec.retrain.on:
        return ""
    present = code_version(spec).digest
    return present if present != version.code.digest else ""


def newer_data(container: Container, spec: Spec, version: Version) -> str:
    """What data came since those of the version, when it is as much as the spec asks for.

    Rows are labels that reached this installation: they cost nothing to look at, while reading the
    source may take minutes. Files are those that the source matches and the version has not seen.
    """
    if "new_data" not in spec.retrain.on:
        return ""
    amount = parse_amount(spec.retrain.new_data)
    if amount.unit == "files":
        return _new_files(container, spec, version, int(amount.value))
    enough = amount.value
    if amount.unit == "share":
        enough *= _rows(container, version)
    import polars as pl

    labels = container.labels.scan(version.model).filter(pl.col("at") > version.data_end)
    fresh = int(labels.select(pl.col("id").n_unique()).collect().item())
    # No count of what came: the same occasion is to read the same as it goes on.
    text = f"at least {enough:,.0f} labels since {version.data_end:%Y-%m-%d %H:%M}"
    return text if fresh and fresh >= enough else ""


def _rows(container: Container, version: Version) -> int:
    try:
        return container.ask(container.store.datasets.get, version.dataset).rows
    except NotFoundError:  # made by another installation: as many as it was judged on, at least
        return max((metric.n for metric in version.metrics), default=0)


def _new_files(container: Container, spec: Spec, version: Version, enough: int) -> str:
    try:
        known = container.ask(container.store.datasets.get, version.dataset).sources
        present = file_names(spec.data.source, spec.root)
    except (NotFoundError, DataError):
        return ""  # whoever trains hears of it
    fresh = sorted(set(present) - set(known)) if known else []
    return f"{len(fresh)} files such as {fresh[0]}" if len(fresh) >= enough else ""


def schedule_due(spec: Spec, began: datetime, now: datetime) -> datetime | None:
    """The last moment of the schedule, when no training began since."""
    policy = spec.retrain
    if "schedule" not in policy.on or policy.schedule is None:
        return None
    due = last_due(policy.schedule, policy.timezone, now)
    return due if due > began else None


def asked_at(container: Container, spec: Spec, began: datetime) -> datetime | None:
    """When a webhook asked last, when no training began since."""
    if "webhook" not in spec.retrain.on:
        return None
    decisions = container.ask(
        container.store.decisions.list, spec.model.name, actions=["nothing"], since=began
    )
    asked = [one.at for one in decisions if one.id.startswith(ASKED) and one.at > began]
    return max(asked, default=None)


def ask_by_webhook(container: Container, model: str, body: bytes) -> bool:
    """Notes that a webhook asks for a training; what holds trainings back holds this one too.

    A body is taken once: sent again, by an impatient caller or by somebody who overheard it, it
    asks for nothing.

    Returns:
        Whether it was new.

    Raises:
        NotFoundError: when there is no such model.
        ConflictError: when the spec does not have ``webhook`` in ``[retrain] on``.
    """
    spec, now = container.spec(model), container.clock.now()
    if "webhook" not in spec.retrain.on:
        raise ConflictError(
            "webhook.not_asked_for",
            f"{model} is not trained by webhook",
            'Add "webhook" to on in [retrain].',
        )
    route = container.ask(container.store.routes.current, model)
    asked = Decision(
        id=ASKED + digest(model.encode() + b"\0" + body).removeprefix("sha256:")[:48],
        model=model, version=None if route is None else route.champion.version, action="nothing",
        trigger="webhook", reason="A webhook asked for a training.", at=now,
    )  # fmt: skip
    store = container.store
    with store.begin() as tx:
        new = store.decisions.add(tx, asked)
        if new:
            store.events.append(
                tx, now, "training.asked", model, "webhook",
                {"sentence": asked.reason, "decision": asked.to_dict()},
            )  # fmt: skip
    return new


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
