"""The page of one model, its history, and what a rollback of it would do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from holdfast.control.contexts import CardPage, HistoryPage, ModelPage, RollbackPage
from holdfast.control.drift import drift
from holdfast.control.evidence import release_panel
from holdfast.control.overview import health_of, hourly
from holdfast.control.panels import (
    Badge,
    Flash,
    HistoryLine,
    RollbackChoice,
    ServerLine,
    Tone,
    VersionLine,
)
from holdfast.control.quality import current, quality
from holdfast.control.seen import read_looks
from holdfast.control.trust import trust
from holdfast.control.words import seconds
from holdfast.errors import ConflictError, HoldfastError
from holdfast.loop.cards import card_of
from holdfast.loop.container import Container
from holdfast.loop.routing import Router
from holdfast.loop.stints import stints
from holdfast.loop.views import ModelStatus, status_of, versions_of
from holdfast.records import Event, Release, ReleaseState, Route, Verdict

RECENT = 12
PAGE = 100

_OUTCOMES: dict[str, Badge] = {
    "": Badge("not judged"),
    "pass": Badge("pass", "good"),
    "fail": Badge("fail", "bad"),
    "inconclusive": Badge("inconclusive", "warn"),
}
_ROLES: dict[str, Tone] = {"live": "good", "rolled back": "bad", "aborted": "bad",
                           "shadow": "busy", "canary": "busy", "pending": "warn",
                           "inconclusive": "warn"}  # fmt: skip


def model_page(container: Container, model: str, done: str | None = None) -> ModelPage:
    """``/models/{model}``.

    Args:
        container: the wiring.
        model: which.
        done: id of a release that was just taken back, to say so; others are ignored.

    Raises:
        NotFoundError: when there is no such model.
    """
    status = status_of(container, model)
    spec = container.spec(model)
    store, now = container.store, container.clock.now()
    with store.read() as tx:
        lived = stints(store.routes.history(tx, model, 10_000))
        looks = read_looks(store.looks.history(tx, model))
        findings = store.findings.list(tx, model, limit=500)
        incidents = store.incidents.list(tx, model, limit=20)
        events = store.events.list(tx, model=model, limit=RECENT)
        entry = store.models.get(tx, model)
    back = rollback_choice(container, model)
    now_seen = current(looks, lived)
    total, spark = hourly(container, model)
    versions = _versions(container, model, spec.gate.measured, back)
    return ModelPage(
        title=model,
        at=now,
        model=model,
        task=status.task,
        paused=entry.paused,
        note=entry.note,
        live=status.live,
        since=lived[-1].since if lived else None,
        shares=_shares(status.route),
        health=health_of(status),
        predictions=total,
        spark=spark,
        recorded_until=status.recorded_until,
        back=back,
        flash=None if done is None else _flash(container, model, done),
        quality=quality(looks, spec.monitor, lived, findings),
        trust=trust(now_seen),
        drift=drift(now_seen, spec.monitor),
        release=release_panel(status.release, spec, now) if status.release else None,
        metric=spec.gate.measured,
        versions=versions,
        incidents=incidents,
        jobs=status.jobs,
        servers=_servers(status),
        history=history_lines(events),
        empty=_next_command(status, versions),
    )


def history_page(container: Container, model: str, before: int | None) -> HistoryPage:
    """``/models/{model}/history``: the events before one, newest first.

    Raises:
        NotFoundError: when there is no such model.
    """
    store = container.store
    with store.read() as tx:
        store.models.get(tx, model)
        events = store.events.list(tx, model=model, before=before, limit=PAGE + 1)
    shown = events[:PAGE]
    return HistoryPage(
        title=f"History of {model}",
        at=container.clock.now(),
        model=model,
        lines=history_lines(shown),
        before=before,
        older=shown[-1].seq if len(events) > PAGE else None,
    )


def card_page(container: Container, model: str, number: int) -> CardPage:
    """``/models/{model}/versions/{number}/card``.

    Raises:
        NotFoundError: when there is no such model or version.
        BundleError: when its bundle is not here.
    """
    container.ask(container.store.models.get, model)
    return CardPage(
        title=f"Card of {model}, version {number}",
        at=container.clock.now(),
        model=model,
        number=number,
        card=card_of(container, model, number),
    )


def rollback_page(container: Container, model: str) -> RollbackPage:
    """``/models/{model}/rollback``.

    Raises:
        NotFoundError: when there is no such model.
        ConflictError: when there is nothing to go back to.
    """
    container.ask(container.store.models.get, model)
    back = rollback_choice(container, model)
    if back is None:
        raise ConflictError(
            "release.nothing_before",
            f"{model} has no earlier version that was live",
            "Release another version instead: holdfast release VERSION.",
        )
    return RollbackPage(
        title=f"Roll back {model}", at=container.clock.now(), model=model, back=back
    )


def rollback_choice(container: Container, model: str) -> RollbackChoice | None:
    """What a rollback would do; None when there is nothing to go back to."""
    store = container.store
    with store.read() as tx:
        route = store.routes.current(tx, model)
        if route is None:
            return None
        moving = store.releases.moving(tx, model)
        lived = [past.champion.version for past in store.routes.history(tx, model, 10_000)]
        target: int | None = None
        with suppress(ConflictError):
            target = Router(container).target(tx, model, route, None)
    live = route.champion.version
    back_to = target if moving is None else moving.previous or live
    if back_to is None:
        return None
    others = [number for number in {*lived, live} if number not in (live, back_to)]
    return RollbackChoice(
        live=live,
        back_to=back_to,
        others=tuple(sorted(others, reverse=True)),
        ends=None if moving is None else moving.version,
    )


def _flash(container: Container, model: str, release_id: str) -> Flash | None:
    """Says what an order did, from its release, so that no text comes from the address."""
    with suppress(HoldfastError):
        release = container.ask(container.store.releases.get, release_id)
        if release.model == model and release.state == ReleaseState.ROLLED_BACK:
            return _said(
                f"Version {release.previous} is live, in place of version {release.version}.",
                release,
            )
        if release.model == model and release.state == ReleaseState.ABORTED:
            return _said(
                f"The release of version {release.version} was stopped; version "
                f"{release.previous} answers every request.",
                release,
            )
    return None


def _said(done: str, release: Release) -> Flash:
    if release.switched_in is None:
        return Flash(f"{done} No server is running; they will do so when they start.", "warn")
    return Flash(f"{done} Every server confirmed within {seconds(release.switched_in)}.", "good")


def _shares(route: Route | None) -> tuple[tuple[int, float], ...]:
    arms = () if route is None else route.arms
    return tuple(sorted(((arm.version, arm.weight) for arm in arms), key=lambda one: -one[1]))


def _versions(
    container: Container, model: str, metric: str, back: RollbackChoice | None
) -> tuple[VersionLine, ...]:
    rows = versions_of(container, model)
    before = set() if back is None else {*back.others, back.back_to} - {back.live}
    verdicts: dict[int, Verdict] = {}
    with container.store.read() as tx:
        for row in rows:
            verdict = container.store.verdicts.latest(tx, model, row.version.number)
            if verdict is not None:
                verdicts[row.version.number] = verdict
    return tuple(
        VersionLine(
            version=row.version,
            role=Badge(row.role, _ROLES.get(row.role, "quiet")) if row.role else None,
            verdict=verdicts.get(row.version.number),
            outcome=_OUTCOMES[row.verdict],
            metric=next((one for one in row.version.metrics if one.name == metric), None),
            served_by=row.served_by if row.version.predictor == "native" else "ONNX",
            compiled=row.version.predictor_note if row.version.predictor == "onnx" else "",
            back=row.version.number in before,
        )
        for row in rows
    )


def _servers(status: ModelStatus) -> tuple[ServerLine, ...]:
    wanted = 0 if status.route is None else status.route.epoch
    lines = []
    for report in status.servers:
        epoch = report.epochs.get(status.model)
        if trouble := report.problems.get(status.model):
            state = Badge(trouble, "bad")
        elif epoch is None:
            state = Badge("does not serve it yet", "busy")
        elif epoch < wanted:
            state = Badge(f"has yet to follow epoch {wanted}", "busy")
        else:
            state = Badge("up to date", "good")
        lines.append(ServerLine(report=report, epoch=epoch, state=state))
    return tuple(lines)


def history_lines(events: Sequence[Event]) -> tuple[HistoryLine, ...]:
    """Events in the words that were written with them."""
    return tuple(
        HistoryLine(
            seq=event.seq,
            at=event.at,
            kind=event.kind,
            actor=event.actor,
            sentence=str(event.body.get("sentence", "")),
        )
        for event in events
    )


def _next_command(status: ModelStatus, versions: Sequence[VersionLine]) -> str:
    """The command to run next, before anything is live."""
    if status.live is not None or status.release is not None:
        return ""
    if not versions:
        return "holdfast train"
    newest = versions[0]
    if newest.verdict is None:
        return f"holdfast gate {newest.version.number}"
    passed = next((one for one in versions if one.outcome.text == "pass"), None)
    return f"holdfast release {passed.version.number}" if passed else "holdfast train"
