"""Gathers what the gate judges: both versions on the same rows, latency, size, behaviour."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from holdfast.bundle.columns import count, from_polars
from holdfast.bundle.predictor import Predictor, open_bundle
from holdfast.data import splits, versions
from holdfast.errors import GateError, NotFoundError
from holdfast.gate.evaluate import evaluate
from holdfast.gate.evidence import GateEvidence, Span
from holdfast.loop.behaving import BehaviourRun
from holdfast.loop.container import Container, replace
from holdfast.loop.examining import alone, imports, latency
from holdfast.loop.own_metric import own_metric
from holdfast.loop.pipeline import breaches_of
from holdfast.loop.warming import JUDGING, warm
from holdfast.records import Signature, Verdict, Version
from holdfast.release.evidence import disagreement, disagreement_by_slice, strange_day
from holdfast.spec import Spec


def judge(
    container: Container, spec: Spec, version: Version, id_: str, behaviour: BehaviourRun | None
) -> Verdict:
    """Judges a version against the champion.

    Args:
        container: the wiring.
        spec: the model's.
        version: the one to judge.
        id_: of the verdict.
        behaviour: the run of the project's behavioural tests, begun before; None without any.

    Raises:
        GateError: when it cannot be judged.
    """
    warm(JUDGING)
    dataset = versions.read_manifest(version.dataset, container.blobs)
    frame = versions.open_version(dataset, container.blobs)
    split = splits.by_time(frame, spec.data)
    candidate = _open(container, version)
    route = container.ask(container.store.routes.current, version.model)
    champion = None
    if route is not None and route.champion.version != version.number:
        champion = container.version(version.model, route.champion.version)
    evidence = _evidence(container, spec, version, champion, candidate, split)
    if behaviour is not None:
        evidence = dataclasses.replace(evidence, behaviours=behaviour.result())
    # Only now, when the other process no longer takes the processor away.
    p99, bounds = latency(candidate, split.test, spec.gate.alpha)
    evidence = dataclasses.replace(evidence, latency_p99=p99, latency_bounds=bounds)
    now = container.clock.now()
    verdict = evaluate(
        evidence,
        spec.gate,
        seed=version.number,
        now=now,
        id=id_,
    )
    if champion is None or evidence.champion_score is None:
        return verdict
    apart = disagreement(
        spec.model.task, evidence.score, evidence.champion_score, scale=evidence.scale
    )
    judged: Verdict = replace(
        verdict,
        disagreement=float(np.mean(apart)),
        slice_disagreement=disagreement_by_slice(apart, evidence.slices),
        strange_day=0.0 if evidence.time is None else strange_day(apart, evidence.time),
    )
    return judged


def _evidence(
    container: Container,
    spec: Spec,
    version: Version,
    champion: Version | None,
    candidate: Predictor,
    split: splits.Split,
) -> GateEvidence:
    train, test = split.train, split.test
    signature = candidate.manifest.signature
    binary = spec.model.task == "binary"
    score = _score(candidate, test)
    against = None
    if champion is not None:
        against = _aligned(_open(container, champion), test, signature)
    scores = [score] if against is None else [score, against]
    log = container.settings.home / "gate" / f"{version.model}-{version.number}.log"
    breaches = breaches_of(container, version.model, pl.concat([train, test]))
    accepted = _accepted(container, version)
    return GateEvidence(
        model=version.model,
        version=version.number,
        task=spec.model.task,
        truth=test[spec.data.label].to_numpy(),
        score=score,
        champion=None if champion is None else champion.number,
        champion_score=against,
        own=own_metric(container, spec, test, scores, signature, log, seed=version.number),
        classes=signature.classes,
        positive=signature.classes[signature.positive] if binary else 1,
        scale=container.reference(version).scale,
        slices={name: _groups(test, name) for name in spec.gate.slices},
        groups={line.column: _groups(test, line.column) for line in spec.gate.fairness},
        alone=alone(spec, split, signature.classes),
        imports=imports(version, candidate),
        size=sum(f.stat().st_size for f in Path(version.bundle_path).rglob("*") if f.is_file()),
        breaches=tuple(replace(b, hard=False) for b in breaches) if accepted else breaches,
        time=test[spec.data.time].dt.replace_time_zone(None).to_numpy(),
        trained=_span(train, spec.data.time),
        champion_trained=None if champion is None else _trained(container, spec, champion),
    )


def _groups(rows: pl.DataFrame, column: str) -> np.ndarray[Any, Any]:
    if column not in rows.columns:
        raise GateError(
            "gate.missing_column",
            f"the rows of this version lack the column '{column}' that [gate] names",
            "Train a version with it, or take it out of [gate].",
        )
    return rows[column].cast(pl.String).fill_null("(null)").to_numpy()


def _open(container: Container, version: Version) -> Predictor:
    return open_bundle(version.bundle_path, digest=version.bundle, key=container.key)


def _score(predictor: Predictor, rows: pl.DataFrame) -> np.ndarray[Any, Any]:
    needed = [field.name for field in predictor.manifest.signature.inputs]
    missing = [name for name in needed if name not in rows.columns]
    if missing:
        raise GateError(
            "gate.champion_columns",
            f"the champion needs the column '{missing[0]}', which the new data lacks",
            "Keep the column in the source until the champion is replaced, "
            "or release with --force 'why'.",
        )
    columns = from_polars(rows, predictor.manifest.signature)
    return predictor.predict(columns, count(columns)).score


def _aligned(champion: Predictor, rows: pl.DataFrame, signature: Signature) -> np.ndarray[Any, Any]:
    """The champion's score with its class probabilities in the candidate's order of classes."""
    score = _score(champion, rows)
    known = champion.manifest.signature.classes
    if score.ndim == 1 or known == signature.classes:
        return score
    aligned = np.zeros((len(score), len(signature.classes)))
    for index, label in enumerate(signature.classes):
        if label in known:
            aligned[:, index] = score[:, known.index(label)]
    return aligned


def _span(rows: pl.DataFrame, column: str) -> Span:
    ends = rows.select(low=pl.col(column).min(), high=pl.col(column).max()).row(0)
    return Span(start=ends[0], end=ends[1])


def _trained(container: Container, spec: Spec, version: Version) -> Span | None:
    """The rows an earlier version was fitted on; unknown when its dataset is not kept here."""
    try:
        dataset = versions.read_manifest(version.dataset, container.blobs)
    except Exception as error:  # noqa: BLE001 - an older installation may have cleaned up
        container.warn(f"dataset of version {version.number}: {error}")
        return None
    frame = versions.open_version(dataset, container.blobs)
    return _span(splits.by_time(frame, spec.data).train, spec.data.time)


def _accepted(container: Container, version: Version) -> bool:
    """Whether its training was told that the change of its data is meant."""
    if version.job is None:
        return False
    with contextlib.suppress(NotFoundError):  # another home may have trained it
        return bool(container.ask(container.store.jobs.get, version.job).payload.get("accept"))
    return False
