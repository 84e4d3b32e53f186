"""Looks at one version: what they need is fetched, and what was seen is kept for the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import msgspec
import polars as pl

from holdfast.bundle.manifest import read_manifest
from holdfast.loop.container import Container
from holdfast.loop.kept import Kept
from holdfast.loop.outcomes import typed_labels
from holdfast.loop.stints import Stint
from holdfast.monitoring.arming import arm, policy_digest
from holdfast.monitoring.cells import PREDICTION
from holdfast.monitoring.estimate import Estimate
from holdfast.monitoring.fleet import share_of
from holdfast.monitoring.hindsight import hindsight
from holdfast.monitoring.look import Look, look
from holdfast.monitoring.loss_monitor import tolerated
from holdfast.monitoring.merge import to_frame
from holdfast.monitoring.times import align, whole_hours
from holdfast.records import Arming, Reference, Signature, Version
from holdfast.spec import Monitor, Spec

_SAMPLE = 4000
_CATCH_UP = 7
LATE = timedelta(days=90)
"""Labels that come longer after a version was replaced are not waited for."""
FRESH = timedelta(days=2)
"""What a look says of its model counts for so long as that of now."""


def look_at(
    container: Container,
    spec: Spec,
    version: Version,
    since: datetime,
    until: datetime,
    kept: Kept | None = None,
    level: float | None = None,
) -> Look:
    """One look at the live version.

    Args:
        container: the wiring.
        spec: the model's.
        version: the live one, its bundle on this machine.
        since: when it went live.
        until: prediction time up to which everything is in the log.
        kept: what is kept of the look before this one.
        level: the loss that an open incident holds it to.
    """
    signature = read_manifest(version.bundle_path).signature
    length = whole_hours(spec.monitor.block)
    summaries = container.summaries.load(version.model, version.number, since, until, length)
    reference = container.reference(version)
    known = {} if kept is None else kept.estimates()
    return look(
        reference,
        to_frame([]) if summaries is None else summaries,
        _outcomes(container, version, signature, since, None, until),
        spec.monitor,
        task=spec.model.task,
        model=version.model,
        version=version.number,
        since=since,
        until=until,
        classes=signature.classes,
        positive=_positive(spec, signature),
        metrics=_metrics(spec),
        before=None if kept is None else kept.until,
        arming=_arming(reference, spec.monitor, kept),
        rows=_rows(container, version, reference, spec.monitor, since, until, known),
        adapted=known,
        level=level,
        share=fleet_share(container, version.model),
        judged={} if kept is None else kept.judged(),
    )


def fleet_share(container: Container, model: str) -> float:
    """The share of its budget of false findings that the other models leave to one.

    All models count that were ever seen with enough rows; a finding lends others something only
    while looks are fresh.
    """
    since = container.clock.now() - FRESH
    return share_of(container.ask(container.store.fleet.beside, model, since))


def _arming(reference: Reference, policy: Monitor, kept: Kept | None) -> Arming:
    """The rehearsal of the monitors: once a version and policy, at the first look."""
    known = None if kept is None else kept.arming
    if known is not None and known.policy == policy_digest(policy):
        return known
    return arm(reference, policy)


def _rows(
    container: Container, version: Version, reference: Reference, policy: Monitor,
    since: datetime, until: datetime, known: Mapping[datetime, Estimate],
) -> pl.DataFrame | None:  # fmt: skip
    """A few thousand rows of each complete block that has no adapted estimate yet.

    At most of the newest week of blocks: what was missed before is not made up for.
    """
    length = whole_hours(policy.block)
    first = align(since, length)
    ends = first + (until - first) // length * length
    starts = [ends - k * length for k in range(_CATCH_UP, 0, -1)]
    parts = [
        _some(container, version, reference, start, start + length)
        for start in starts
        if start >= first and start not in known
    ]
    return pl.concat(parts) if parts else None


def _some(
    container: Container, version: Version, reference: Reference, start: datetime, end: datetime
) -> pl.DataFrame:
    """Rows of one block whose inputs were recorded, thinned out by their ids."""
    log = container.log.scan(version.model, start, end, version.number, "live").filter("inputs")
    rows = int(log.select(pl.len()).collect().item())
    thin = pl.col("prediction_id").hash(seed=0) % max(rows // _SAMPLE, 1) == 0
    there = set(log.collect_schema().names())
    features = {
        bins.column: pl.col(f"f_{bins.column}") if f"f_{bins.column}" in there else pl.lit(None)
        for bins in reference.bins
        if bins.column != PREDICTION and not bins.view
    }
    shown = pl.coalesce("score", pl.col("scores").list.max())
    return log.filter(thin).select("at", **features, prediction=shown).collect()


def look_back(container: Container, spec: Spec, past: Stint, until: datetime) -> None:
    """Adds to the last look at a replaced version the labels that came since.

    Nothing else of that look changes, and nothing is decided from it.

    Args:
        container: the wiring.
        spec: the model's.
        past: the stint, which is over.
        until: labels that come later do not exist yet.
    """
    model = spec.model.name
    data = container.ask(container.store.looks.find, model, past.version, past.since)
    if data is None or past.until is None or until - past.until > LATE:
        return
    kept = msgspec.json.decode(data)
    if "ended" in kept and _all_known(kept["quality"]):
        return
    kept["ended"] = past.until
    version = container.version(model, past.version)
    signature = read_manifest(version.bundle_path).signature
    kept["quality"] = hindsight(
        _outcomes(container, version, signature, past.since, past.until, until),
        spec.monitor,
        task=spec.model.task,
        scale=container.reference(version).scale,
        since=past.since,
        ended=past.until,
        until=until,
        classes=signature.classes,
        positive=_positive(spec, signature),
        metrics=_metrics(spec),
    )
    kept["labels"] = sum(cohort.labelled for cohort in kept["quality"])
    with container.store.begin() as tx:
        container.store.looks.save(
            tx, model, past.version, past.since, container.clock.now(), _encoded(kept)
        )


def look_json(
    seen: Look, version: Version, since: datetime, reference: Reference, policy: Monitor
) -> bytes:
    """A look as JSON with what it is to be held against; NaN, which JSON lacks, as null.

    Args:
        seen: the look.
        version: that was looked at.
        since: when it went live.
        reference: of the version.
        policy: ``[monitor]``, as it was.
    """
    content: dict[str, Any] = {field.name: getattr(seen, field.name) for field in fields(seen)}
    content |= {
        "version": version.number,
        "since": since,
        "reference": reference.loss,
        "tolerated": min(tolerated(reference, policy), seen.level or 1.0),
    }
    return _encoded(content)


def _encoded(content: dict[str, Any]) -> bytes:
    return msgspec.json.encode(content, enc_hook=lambda numbers: numbers.tolist())


def _outcomes(
    container: Container, version: Version, signature: Signature, since: datetime,
    end: datetime | None, until: datetime,
) -> pl.DataFrame:  # fmt: skip
    known = container.joined.outcomes(version.model, since, end, until, version.number)
    if known["scores"].null_count() < known.height:  # multiclass: a probability for each class
        known = known.with_columns(score=pl.col("scores"))
    return known.with_columns(label=typed_labels(known["label"], signature.classes))


def _metrics(spec: Spec) -> tuple[str, ...]:
    return tuple(dict.fromkeys((spec.watched, *spec.monitor.metrics)))


def _positive(spec: Spec, signature: Signature) -> bool | int | str:
    return signature.classes[signature.positive] if spec.model.task == "binary" else 1


def _all_known(cohorts: Sequence[dict[str, Any]]) -> bool:
    return all(cohort["labelled"] >= cohort["rows"] for cohort in cohorts)
