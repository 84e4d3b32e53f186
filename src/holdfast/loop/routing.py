"""Routes: each change is written with its event, in the transaction that caused it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from holdfast.errors import ConflictError, NotFoundError
from holdfast.loop.container import Container, replace
from holdfast.loop.notices import release_told
from holdfast.records import Arm, Release, ReleaseState, Route

MOVING = (ReleaseState.PENDING, ReleaseState.SHADOW, ReleaseState.CANARY)


class Router:
    """Writes routes and the events of releases of one installation."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._store = container.store

    def arm(self, model: str, number: int, weight: float = 0.0) -> Arm:
        """A version as a part of a route. May fetch its bundle: not within a transaction."""
        version = self._container.version(model, number)
        return Arm(version=number, bundle=version.bundle, path=version.bundle_path, weight=weight)

    def write(
        self,
        tx: Connection,
        model: str,
        arms: tuple[Arm, ...],
        *,
        shadow: tuple[Arm, ...] = (),
        resident: tuple[Arm, ...] = (),
        mirror: bool = False,
        actor: str,
        reason: str,
    ) -> Route | None:
        """Orders the servers to do something else; None when they do just that already."""
        current = self._store.routes.current(tx, model)
        wanted = (arms, shadow, resident, mirror)
        if current is not None and wanted == (
            current.arms, current.shadow, current.resident, current.mirror
        ):  # fmt: skip
            return None
        route = Route(
            model=model,
            epoch=1 if current is None else current.epoch + 1,
            arms=arms,
            shadow=shadow,
            resident=resident,
            mirror=mirror,
            actor=actor,
            reason=reason,
            created_at=self._container.clock.now(),
        )
        self._store.routes.change(tx, route)
        shares = ", ".join(f"version {arm.version} {arm.weight:.0%}" for arm in arms)
        self.event(
            tx, "route.changed", model, actor, f"epoch {route.epoch}: {shares}; {reason}",
            route=route.to_dict(),
        )  # fmt: skip
        return route

    def save(self, tx: Connection, release: Release, kind: str, actor: str, text: str) -> None:
        """Writes a release with its event, and what people are to be told of it."""
        self._store.releases.save(tx, release)
        self.event(tx, kind, release.model, actor, text, release=release.to_dict())
        release_told(self._container, tx, release)

    def event(
        self, tx: Connection, kind: str, model: str, actor: str, sentence: str, **body: object
    ) -> None:
        """Appends to the audit log; each event carries one sentence for people."""
        self._store.events.append(
            tx, self._container.clock.now(), kind, model, actor, {"sentence": sentence, **body}
        )

    def note(self, model: str, kind: str, actor: str, sentence: str, **body: object) -> None:
        """An event in a transaction of its own."""
        with self._store.begin() as tx:
            self.event(tx, kind, model, actor, sentence, **body)

    def end_all(
        self, tx: Connection, model: str, actor: str, reason: str, keep: str | None = None
    ) -> None:
        """Ends every release of a model but ``keep``: moving ones abort, watched ones are over."""
        now = self._container.clock.now()
        for release in self._store.releases.active(tx, model):
            if release.id == keep:
                continue
            moving = release.state in MOVING
            over = _ended(
                release, ReleaseState.ABORTED if moving else ReleaseState.SUPERSEDED, reason, now
            )
            self.save(tx, over, "release.moved", actor, moved(over))

    def target(self, tx: Connection, model: str, route: Route, to: int | None) -> int:
        """The version to go back to.

        Raises:
            ConflictError: when nothing was live before, or it is live already.
            NotFoundError: when the version named was never live.
        """
        bad = route.champion.version
        lived = [past.champion.version for past in self._store.routes.history(tx, model, 10_000)]
        if to is None:
            return self._before(tx, model, bad, lived)
        if to == bad:
            raise ConflictError("release.already_live", f"version {to} is live already")
        if to not in lived:
            raise NotFoundError(
                "release.never_live",
                f"version {to} of {model} was never live",
                "Only what was live can be rolled back to; release it instead.",
            )
        return to

    def fallback(self, model: str, number: int | None) -> Arm | None:
        """Where a rollback from a version would lead, were it live: that is kept loaded beside it.

        None when nothing was live before it. May fetch a bundle: not within a transaction.
        """
        if number is None:
            return None
        with self._store.read() as tx:
            history = self._store.routes.history(tx, model, 10_000)
            lived = [past.champion.version for past in history]
            try:
                before = self._before(tx, model, number, lived)
            except ConflictError:
                return None
        try:
            return self.arm(model, before)
        except NotFoundError:  # deleted from the registry: no reason not to release
            return None

    def _before(self, tx: Connection, model: str, bad: int, lived: Sequence[int]) -> int:
        release = latest_release(self._container, tx, model, bad)
        if release is not None and release.previous is not None and release.previous in lived:
            return release.previous
        for number in lived:  # newest first
            past = latest_release(self._container, tx, model, number)
            taken_back = past is not None and past.state == ReleaseState.ROLLED_BACK
            if number != bad and not taken_back:
                return number
        raise ConflictError(
            "release.nothing_before",
            f"version {bad} is the first of {model} that was ever live",
            "Release another version instead: holdfast release VERSION.",
        )


def latest_release(
    container: Container, tx: Connection, model: str, version: int
) -> Release | None:
    """The newest release of a version."""
    for release in container.store.releases.list(tx, model, 1000):
        if release.version == version:
            return release
    return None


def _ended(release: Release, state: ReleaseState, reason: str, now: datetime) -> Release:
    ended: Release = replace(release, state=state, reason=reason, step_at=now)
    return ended


def said(actor: str, note: str) -> tuple[str, ...]:
    """A person's word on a release; nothing when nothing was said."""
    return (f"{actor}: {note}",) if note else ()


def quoted(note: str) -> str:
    """A note at the end of a sentence of the history."""
    return f" ({note})" if note else ""


def started(release: Release) -> str:
    """What the history says when a release begins."""
    steps = ", ".join(
        "shadow" if step.kind == "shadow" else f"{step.weight:.0%}" for step in release.plan
    )
    return f"release of version {release.version} begins ({steps or 'direct'}); {release.reason}"


def moved(release: Release) -> str:
    """What the history says when a release is in another state."""
    state = release.state.value.replace("_", " ")
    if release.state == ReleaseState.CANARY:
        state = f"canary at {release.plan[release.step].weight:.0%}"
    return f"version {release.version}: {state}; {release.reason}"
