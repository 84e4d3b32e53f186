"""Releases: start, advance, approve, abort, roll back; each change is one transaction."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from holdfast.errors import ConflictError, NotFoundError
from holdfast.loop.aliases import settle
from holdfast.loop.container import Container, replace
from holdfast.loop.evidence import gather
from holdfast.loop.incidents import went_live
from holdfast.loop.routing import MOVING, Router, latest_release, moved, quoted, said, started
from holdfast.ports.ids import new_id
from holdfast.records import Arm, Evidence, Release, ReleaseState, Route, Transition
from holdfast.release.arms import route_for
from holdfast.release.plan import plan
from holdfast.release.rules import next_transition
from holdfast.release.states import move


class Releasing:
    """Starts, moves on and takes back releases of one installation.

    Args:
        container: the wiring.
        changed: called with the model's name after a route changed, to wake waiting servers.
    """

    def __init__(self, container: Container, changed: Callable[[str], None] | None = None) -> None:
        self._container = container
        self._store = container.store
        self._router = Router(container)
        self._changed = changed

    def start(
        self,
        model: str,
        *,
        version: int,
        actor: str,
        strategy: str | None = None,
        force: str | None = None,
        note: str = "",
    ) -> Release:
        """Begins to take a version live.

        Raises:
            NotFoundError: when there is no such version.
            ConflictError: when the gate has not passed it, it is live, or another is under way.
        """
        policy = self._container.spec(model).release
        if strategy is not None:
            policy = replace(policy, strategy=strategy)
        self._container.version(model, version)
        now = self._container.clock.now()
        with self._store.begin("release.start") as tx:
            route = self._store.routes.current(tx, model)
            self._may_start(tx, model, version, route, force)
            verdict = self._store.verdicts.latest(tx, model, version)
            release = Release(
                id=new_id("rel"),
                model=model,
                version=version,
                previous=None if route is None else route.champion.version,
                plan=() if route is None else plan(policy),
                state=ReleaseState.PENDING,
                started_at=now,
                step_at=now,
                actor=actor,
                reason=f"forced: {force}" if force else "the gate passed it",
                expected_disagreement=(verdict.disagreement or 0.0) if verdict else 0.0,
                expected_by_slice=verdict.slice_disagreement if verdict else {},
                strange_day=verdict.strange_day if verdict else 0.0,
                notes=said(actor, note),
            )
            text = started(release) + quoted(note)
            self._router.save(tx, release, "release.started", actor, text)
        return self.advance(release) or release

    def _may_start(
        self, tx: Connection, model: str, number: int, route: Route | None, force: str | None
    ) -> None:
        if route is not None and route.champion.version == number:
            raise ConflictError("release.already_live", f"{model} version {number} is live already")
        other = self._store.releases.moving(tx, model)
        if other is not None:
            raise ConflictError(
                "release.under_way",
                f"version {other.version} of {model} is under way ({other.state.value})",
                f"Wait for it, or stop it: holdfast release {other.version} --abort 'why'.",
            )
        verdict = self._store.verdicts.latest(tx, model, number)
        if force is None and (verdict is None or verdict.outcome != "pass"):
            said = "has not judged it" if verdict is None else f"said: {verdict.sentence}"
            raise ConflictError(
                "release.not_passed",
                f"the gate {said}; so {model} version {number} may not be released",
                f"Run 'holdfast gate {number}', or insist with --force 'why'.",
            )

    def approve(self, model: str, *, version: int, actor: str, note: str = "") -> Release:
        """Adds somebody's agreement to a release that waits for it.

        Raises:
            NotFoundError: when none waits.
            ConflictError: when it does not wait for anybody, or this person started it or agreed
                before.
        """
        with self._store.begin("release.approve") as tx:
            release = self._moving(tx, model, version)
            if release.state != ReleaseState.PENDING:
                raise ConflictError(
                    "release.not_waiting",
                    f"the release of version {version} waits for nobody: it is {release.state}",
                )
            if actor == release.actor or actor in release.approvals:
                raise ConflictError(
                    "release.own_approval",
                    f"{actor} started or approved this release already",
                    "Somebody else has to agree.",
                )
            agreed: Release = replace(
                release,
                approvals=(*release.approvals, actor),
                notes=(*release.notes, *said(actor, note)),
            )
            text = f"{actor} agreed{quoted(note)}"
            self._router.save(tx, agreed, "release.approved", actor, text)
        return self.advance(agreed) or agreed

    def abort(self, model: str, *, version: int, actor: str, reason: str) -> Release:
        """Stops a release under way; the champion takes all the traffic again.

        Raises:
            NotFoundError: when none is under way.
        """
        with self._store.read() as tx:
            release = self._moving(tx, model, version)
        stop = Transition(
            rule="by_hand", state=ReleaseState.ABORTED, step=release.step, reason=reason
        )
        return self._move(release, stop, actor, release.evidence)

    def _moving(self, tx: Connection, model: str, version: int) -> Release:
        release = self._store.releases.moving(tx, model)
        if release is None or release.version != version:
            raise NotFoundError(
                "release.none", f"no release of {model} version {version} is under way"
            )
        return release

    def advance(self, release: Release) -> Release | None:
        """Moves a release on by one rule, if its evidence allows; None when nothing changed."""
        if release.state.ended:
            return None
        policy = self._container.spec(release.model).release
        evidence, context = gather(self._container, release)
        now = self._container.clock.now()
        transition = next_transition(release, evidence, policy, now, context)
        if transition is not None:
            return self._move(release, transition, "holdfast", evidence)
        if evidence != release.evidence:
            with self._store.begin() as tx:
                present = self._store.releases.get(tx, release.id)
                if present.state == release.state:
                    self._store.releases.save(tx, replace(present, evidence=evidence))
        return None

    def _move(
        self, release: Release, transition: Transition, actor: str, evidence: Evidence
    ) -> Release:
        moved_on = move(release, transition, evidence, self._container.clock.now())
        new = self._router.arm(release.model, release.version)
        old = None
        if release.previous is not None:
            old = self._router.arm(release.model, release.previous)
        back = self._router.fallback(release.model, release.previous)
        with self._store.begin("release.move") as tx:
            present = self._store.releases.get(tx, release.id)
            if (present.state, present.step) != (release.state, release.step):
                return present  # somebody was faster: an operator, or another control plane
            self._router.save(tx, moved_on, "release.moved", actor, moved(moved_on))
            self._apply(tx, moved_on, new, old, back, actor)
        self._settle(moved_on.model)
        return moved_on

    def _apply(
        self,
        tx: Connection,
        release: Release,
        new: Arm,
        old: Arm | None,
        back: Arm | None,
        actor: str,
    ) -> None:
        """What a new state of a release asks of the servers and of other releases."""
        if release.state == ReleaseState.PROMOTED:
            return  # it is live already, and another release may be under way
        if release.state in (ReleaseState.WATCHED, ReleaseState.ROLLED_BACK):
            live = release.version if release.state == ReleaseState.WATCHED else release.previous
            reason = f"version {live} went live"
            self._router.end_all(tx, release.model, "holdfast", reason, keep=release.id)
            if live is not None:
                went_live(self._container, tx, release.model, live, reason)
        wanted = route_for(release, new, old)
        # Until the new version is live a rollback leads behind the old one: that stays loaded too.
        resident = wanted.resident
        ordered = {arm.version for arm in (*wanted.arms, *wanted.shadow)}
        if back and release.state != ReleaseState.WATCHED and back.version not in ordered:
            resident = (*resident, back)
        self._router.write(
            tx, release.model, wanted.arms, shadow=wanted.shadow, resident=resident,
            mirror=wanted.mirror, actor=actor, reason=moved(release),
        )  # fmt: skip

    def rollback(self, model: str, *, actor: str, reason: str, to: int | None = None) -> Release:
        """Puts an earlier version live at once: the previous one, or the one named.

        While a release is under way and no version is named, it is that release that ends.

        Raises:
            NotFoundError: when the version was never live.
            ConflictError: when there is nothing to go back to, or it is live already.
        """
        with self._store.read() as tx:
            route = self._store.routes.current(tx, model)
            if route is None:
                raise ConflictError("release.nothing_live", f"nothing of {model} is live")
            under_way = self._store.releases.moving(tx, model)
            if under_way is None or to is not None:
                number = self._router.target(tx, model, route, to)
        if under_way is not None and to is None:
            return self.abort(model, version=under_way.version, actor=actor, reason=reason)
        good = self._router.arm(model, number, weight=1.0)
        back_of_good = self._router.fallback(model, number)
        with self._store.begin("release.take_back") as tx:
            present = self._store.routes.current(tx, model)
            if present is not None and present.champion.version != route.champion.version:
                raise ConflictError(
                    "release.changed",
                    f"version {present.champion.version} of {model} went live in this moment",
                    "See 'holdfast status', then roll back again if that is wrong.",
                )
            back = self._take_back(tx, route, good, back_of_good, actor, reason)
        self._settle(model)
        return back

    def _take_back(
        self,
        tx: Connection,
        route: Route,
        good: Arm,
        further: Arm | None,
        actor: str,
        reason: str,
    ) -> Release:
        bad = route.champion
        known = latest_release(self._container, tx, route.model, bad.version)
        now = self._container.clock.now()
        if known is None or known.state.ended:  # a new one, so that it is the version's newest
            known = Release(
                id=new_id("rel"),
                model=route.model,
                version=bad.version,
                previous=good.version,
                plan=() if known is None else known.plan,
                state=ReleaseState.ROLLED_BACK,
                started_at=now,
                step_at=now,
                actor=actor,
            )
        back: Release = replace(
            known, previous=good.version, state=ReleaseState.ROLLED_BACK, step_at=now,
            actor=actor, reason=reason,
        )  # fmt: skip
        self._router.end_all(tx, route.model, actor, reason, keep=back.id)
        self._router.save(tx, back, "release.moved", actor, moved(back))
        resident = [replace(bad, weight=0.0)]
        if further is not None and further.version != bad.version:
            resident.append(further)
        self._router.write(
            tx, route.model, (good,), resident=tuple(resident), actor=actor,
            reason=f"rolled back from version {bad.version}: {reason}",
        )  # fmt: skip
        return back

    def obey_alias(self, model: str, number: int) -> None:
        """Follows an alias ``champion`` that somebody moved with plain MLflow."""
        arm = self._router.arm(model, number, weight=1.0)
        reason = f"alias champion was moved to version {number} in MLflow"
        with self._store.begin("alias.obey") as tx:
            route = self._store.routes.current(tx, model)
            if route is not None and route.champion.version == number:
                return  # another control plane was faster
            resident = () if route is None else (replace(route.champion, weight=0.0),)
            self._router.event(
                tx, "alias.moved", model, "mlflow", reason, alias="champion", version=number
            )
            self._router.end_all(tx, model, "mlflow", reason)
            self._router.write(tx, model, (arm,), resident=resident, actor="mlflow", reason=reason)
        self._settle(model)

    def revert_alias(self, model: str, number: int) -> None:
        """Moves the alias ``champion`` back to what is live, after somebody moved it in MLflow."""
        with self._store.begin("alias.revert") as tx:
            route = self._store.routes.current(tx, model)
            if route is None or route.champion.version == number:
                return
            live = route.champion.version
            reason = (
                f"alias champion was moved to version {number} in MLflow; moved back to version"
                f" {live}, as [release] alias_moves says"
            )
            self._router.event(
                tx, "alias.reverted", model, "mlflow", reason, alias="champion", version=number
            )
            entry = self._store.models.get(tx, model)
            # What was noted last is ours to change: the next settling moves the alias back.
            self._store.models.save(tx, replace(entry, champion=number))
        self._settle(model)

    def on(self, container: Container) -> Releasing:
        """The same, on another wiring of the same parts."""
        return Releasing(container, self._changed)

    def confirmed(self, release: Release, seconds: float) -> Release:
        """Notes how long it took until every server confirmed a rollback."""
        with self._store.begin() as tx:
            noted: Release = replace(self._store.releases.get(tx, release.id), switched_in=seconds)
            self._store.releases.save(tx, noted)
        return noted

    def _settle(self, model: str) -> None:
        """After the transaction: wake the servers. The reconciler brings MLflow's aliases in line;
        without a control plane it is done here.
        """
        if self._changed is not None:
            self._changed(model)
        else:
            settle(self._container, model)


__all__ = ["MOVING", "Releasing"]
