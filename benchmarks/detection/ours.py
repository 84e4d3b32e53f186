"""Holdfast as it runs in production: freeze, count, one look after each day, its findings."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from detection.judge import Track
from detection.streams import Stream
from holdfast.monitoring.arming import arm
from holdfast.monitoring.count import count
from holdfast.monitoring.freeze import freeze
from holdfast.monitoring.look import Look, look
from holdfast.records import Reference
from holdfast.spec import Monitor
from holdfast.statistics.losses import bounded_loss

KINDS = {
    "drift": ("input_drift", "prediction_drift", "joint_drift"),
    "estimate": ("estimated_loss",),
    "loss": ("realised_loss",),
    "contract": ("contract",),
}
ALL_PAGES = "pages"


def watch(stream: Stream, policy: Monitor | None = None) -> dict[str, Track]:
    """What was found on which day, by kind; ``contract`` are only those findings that page."""
    policy = policy or Monitor()
    found: dict[str, dict[str, list[int]]] = {kind: {} for kind in (*KINDS, ALL_PAGES)}
    for day, seen in enumerate(looks(stream, policy)):
        for finding in seen.findings:
            kinds = [kind for kind, members in KINDS.items() if finding.kind in members]
            if finding.kind == "contract" and not finding.pages:
                kinds = []
            kinds += [ALL_PAGES] if finding.pages else []
            for kind in kinds:
                found[kind].setdefault(finding.id, []).append(day)
    return {
        f"holdfast, {kind}": Track(
            settings=["as shipped"], usual=0,
            days=[sorted({day for days in by_id.values() for day in days})], told=len(by_id),
        )
        for kind, by_id in found.items()
    }  # fmt: skip


def looks(stream: Stream, policy: Monitor) -> list[Look]:
    """One look at the end of each day of production."""
    reference = frozen(stream)
    rows = count(stream.production, reference, model="m", version=1)
    since = first_midnight(stream)
    arming = arm(reference, policy)
    outcomes = stream.production.select("at", "label", "label_at", score="prediction")
    ends = [since + timedelta(days=day + 1) for day in range(stream.days)]
    return [
        look(
            reference, rows, outcomes.filter(outcomes["at"] < until), policy, task="binary",
            model="m", version=1, since=since, until=until, classes=(0, 1),
            arming=arming,
        )
        for until in ends
    ]  # fmt: skip


def first_midnight(stream: Stream) -> datetime:
    """When production begins."""
    first = stream.production["at"].min()
    assert isinstance(first, datetime)
    return first.replace(hour=0, minute=0, second=0, microsecond=0)


def frozen(stream: Stream) -> Reference:
    """The reference of the held-out rows, as registration makes it."""
    truth = stream.reference["label"].to_numpy()
    losses = bounded_loss(
        "binary", truth, stream.reference["prediction"].to_numpy(), classes=(0, 1), positive=1
    )
    return freeze(
        stream.reference, truth, np.asarray(losses), task="binary", features=stream.features,
        at=stream.reference["at"],
    )  # fmt: skip
