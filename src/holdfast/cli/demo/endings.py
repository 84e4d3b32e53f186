"""Stages 6 to 8: roll back under traffic, survive kill -9, answer for what happened."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta

from holdfast.cli.demo.narrator import Narrator
from holdfast.cli.demo.traffic import Prober
from holdfast.cli.demo.world import MODEL, World
from holdfast.records import Job, JobState


def roll_back(world: World, narrator: Narrator) -> None:
    """Stage 6: one command, while traffic flows."""
    narrator.stage("6. An operator rolls back while traffic flows")
    route = world.container.ask(world.container.store.routes.current, MODEL)
    assert route is not None
    live = str(route.champion.version)
    with Prober(world.server, world.traffic.one_row()) as prober:
        world.wait(lambda: len(prober.seen) > 200, "traffic flows")
        done = world.command("rollback", "--why", "the operator prefers the old one")
        settled = time.monotonic()
        world.wait(lambda: prober.seen[-1].at > settled + 0.3, "traffic flows on")
    seen = prober.seen
    failed = [probe for probe in seen if probe.status != 200]
    after = [probe for probe in seen if probe.at > settled and probe.version == live]
    narrator.must(
        not failed, f"none of {len(seen):,} requests from four connections failed meanwhile"
    )
    narrator.must(
        done["switched_in"] is not None and not after,
        f"from the call to the confirmation of every server it took "
        f"{done['switched_in'] * 1000:.0f} ms; version {live} answered nothing after it",
        rollback_ms=done["switched_in"] * 1000,
    )


def kill_the_control_plane(world: World, narrator: Narrator) -> None:
    """Stage 7: kill -9 in the middle of a retraining."""
    narrator.stage("7. The control plane is killed in the middle of a retraining")
    store = world.container.store
    order = world.api.call(
        "POST", f"/api/v1/models/{MODEL}/train", {"actor": "operator", "reason": "newer data"}
    )

    def job() -> Job:
        return world.container.ask(store.jobs.get, order["id"])

    world.wait(lambda: job().step == "dataset" and job().pid, "the retraining has its data")
    killed = job()
    control = world.control_pid()
    for pid in (control, killed.pid):
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    narrator.say(
        f"kill -9 {control} {killed.pid}: the control plane and the training process are gone, "
        f"after step '{killed.step}'."
    )
    # Asked while the processes start again; nothing is registered before a model is fitted.
    before = {version.number for version in world.container.registry.versions(MODEL)}
    played = world.traffic.play(world.clock.now(), pause=lambda: False)
    done = world.wait(
        lambda: (found := job()).state in (JobState.DONE, JobState.FAILED) and found,
        "the retraining ends",
    )
    narrator.must(
        world.control_pid() != control and played.failed == 0,
        "the control plane is back by itself; predictions went on",
    )
    after = {version.number for version in world.container.registry.versions(MODEL)}
    events = world.container.ask(
        store.events.list, model=MODEL, kinds=["version.registered"], limit=1000
    )
    made = [e for e in events if e.body["version"]["job"] == done.id]
    narrator.must(
        done.state == JobState.DONE and done.attempt == 2 and done.progress["cut"]
        == killed.progress["cut"] and done.progress["dataset"] == killed.progress["dataset"],
        f"the retraining went on where it was, in attempt {done.attempt}, with the same data",
    )  # fmt: skip
    narrator.must(
        len(after - before) == 1 and len(made) == 1,
        f"and nothing happened twice: one version ({(after - before).pop()}), registered once",
    )


def answer_for_it(world: World, narrator: Narrator) -> None:
    """Stage 8: live-at, history, audit."""
    narrator.stage("8. What was live, who did it, and can the record be trusted?")
    store = world.container.store
    routes = world.container.ask(store.routes.history, MODEL, 1000)
    canary = next(r for r in reversed(routes) if len(r.arms) == 2)
    moment = canary.created_at + timedelta(minutes=1)
    view = world.command("live-at", moment.isoformat())
    shares = {arm["version"]: arm["weight"] for arm in view["route"]["arms"]}
    narrator.must(
        shares == {arm.version: arm.weight for arm in canary.arms} and view["event"] is not None,
        f"at {moment:%d %b %H:%M} "
        + " and ".join(f"version {number} answered {w:.0%}" for number, w in shares.items())
        + f", ordered by {view['route']['actor']}; the evidence is event {view['event']}",
    )
    history = world.command("history", "--limit", "0")
    kinds = {line["kind"] for line in history}
    wanted = {
        "version.registered", "gate.judged", "release.started", "release.moved", "route.changed",
        "finding.established", "decision.made", "training.ordered",
    }  # fmt: skip
    narrator.must(
        wanted <= kinds,
        f"the history has {len(history)} events, from the first training to the last",
    )
    checked = world.command("audit", "verify")
    narrator.must(
        checked["count"] >= len(history),
        f"the hash chain of all {checked['count']} events is intact",
        events=checked["count"],
    )
    world.wait(
        lambda: not world.container.ask(world.container.store.jobs.active, MODEL),
        "all jobs are done",
    )
    status = world.command("status")
    narrator.say(f"Live now: version {status[0]['live']['number']}.")
