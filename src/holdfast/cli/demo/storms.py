"""Stage 5: the summer storms of 2013, with the loop and without."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl

from holdfast.bundle.columns import count, from_polars
from holdfast.bundle.predictor import open_bundle
from holdfast.cli.demo.beginnings import CANARY_PACE, release_of
from holdfast.cli.demo.narrator import Narrator
from holdfast.cli.demo.world import MODEL, World
from holdfast.records import Event
from holdfast.statistics.losses import bounded_loss
from holdfast.statistics.metrics import metric

SUMMER_ENDS = datetime(2013, 8, 10, tzinfo=UTC)
STAGE_4 = datetime(2013, 4, 12, tzinfo=UTC)
SHOWN = timedelta(days=10)
MONITOR_LAG = timedelta(days=14)  # a look is at whole days, and takes its time


def the_world_changes(world: World, narrator: Narrator) -> None:
    """Quality truly falls; the loop notices, retrains, judges, releases, and is better for it."""
    narrator.stage("5. The world changes")
    narrator.say("Spring goes by, and summer storms come. The model has only ever seen a winter.")
    seen: set[str] = set()
    promoted: dict[str, Any] | None = None

    def busy() -> bool:
        """Training and judging take seconds, not days: the clock waits for them."""
        return bool(world.container.ask(world.container.store.jobs.active, MODEL))

    def pause() -> bool:
        """The clock does not run away from the monitor either: what came and went between two
        looks, three weeks apart, nobody would ever see.
        """
        if not busy():
            world.wait(lambda: busy() or not _behind(world), "the monitor has looked")
        return busy()

    def watch() -> bool:
        nonlocal promoted
        _tell_news(world, narrator, seen)
        route = world.container.ask(world.container.store.routes.current, MODEL)
        if route is not None and route.champion.version > 3 and len(route.arms) == 1:
            promoted = {"version": route.champion.version, "at": route.created_at}
        return promoted is not None

    def pace() -> float:
        """Slower while a canary runs, so that its steps take hours, not weeks."""
        moving = world.container.ask(world.container.store.releases.moving, MODEL)
        return 0.0 if moving is None else CANARY_PACE / 2

    world.traffic.play(SUMMER_ENDS, pause=pause, stop=watch, pace=pace)
    narrator.must(promoted is not None, "a version that the loop trained by itself is live")
    assert promoted is not None
    _check_the_story(world, narrator, promoted)
    world.traffic.play(world.clock.now() + SHOWN, pause=busy)
    _compare(world, narrator, promoted)


class _Look(msgspec.Struct):
    """What is needed of a look that is kept."""

    until: datetime


def _behind(world: World) -> bool:
    """Whether the last look is of too long ago."""
    kept = world.container.ask(world.container.store.looks.latest, MODEL)
    if kept is None:
        return False
    return world.clock.now() - msgspec.json.decode(kept, type=_Look).until > MONITOR_LAG


def _tell_news(world: World, narrator: Narrator, seen: set[str]) -> None:
    """Findings, decisions and releases as they come."""
    store = world.container.store
    kinds = ("finding.established", "decision.made", "gate.judged", "release.moved")
    events = world.container.ask(store.events.list, model=MODEL, kinds=kinds, limit=20)
    for event in reversed(events):
        key = str(event.seq)
        if key not in seen:
            seen.add(key)
            if event.at > STAGE_4 and _worth_telling(event):
                narrator.say(f"    {event.at:%d %b}  {event.body['sentence']}")


def _worth_telling(event: Event) -> bool:
    """How inputs go together changes with the weather; the history has it all."""
    if event.kind != "finding.established":
        return True
    finding = event.body["finding"]
    if " and " in finding["subject"]:
        return False
    return finding["kind"] not in ("contract", "silence", "label_delay")


def _check_the_story(world: World, narrator: Narrator, promoted: dict[str, Any]) -> None:
    """A bad week is not retrained on; a bad month is: findings, decision, gate, canary."""
    store = world.container.store
    with store.read() as tx:
        findings = store.findings.list(tx, MODEL, version=1, limit=1000)
        decisions = store.decisions.list(tx, MODEL, limit=1000)
        verdict = store.verdicts.latest(tx, MODEL, promoted["version"])
    retrains = [decision for decision in decisions if decision.action == "retrain"]
    narrator.must(len(retrains) == 1, "the loop decided to retrain once")
    causes = {finding.id: finding for finding in findings}
    cause = causes[retrains[0].findings[0]]
    earlier = [f for f in findings if f.kind == "realised_loss" and f.since < cause.since]
    narrator.must(
        bool(earlier) and all(f.pages for f in earlier),
        f"in April it told its people and waited: {earlier[0].sentence if earlier else ''} "
        "It did not last two weeks, and no model was trained on it",
    )
    kinds = ("prediction_drift", "estimated_loss", "input_drift")
    silent = sorted(
        (f for f in findings if f.kind in kinds and earlier[0].at < f.at < cause.at),
        key=lambda f: (kinds.index(f.kind), " and " in f.subject, f.since),
    )
    narrator.must(
        bool(silent), f"before any label of the summer: {silent[0].sentence if silent else ''}"
    )
    narrator.must(cause.kind == "realised_loss", f"then with labels: {cause.sentence}")
    narrator.must(
        verdict is not None and verdict.outcome == "pass",
        f"the gate passed version {promoted['version']}, trained on newer data",
    )
    release = release_of(world, promoted["version"])
    narrator.must(
        release["state"] in ("watched", "promoted") and release["evidence"]["pairs"] > 0,
        f"its canary succeeded on {release['evidence']['pairs']:,} flights, and it is live",
    )


def _compare(world: World, narrator: Narrator, promoted: dict[str, Any]) -> None:
    """The same flights, answered by the new version, and as the old one would have."""
    start, end = promoted["at"], world.clock.now()
    rows = world.flights.filter((pl.col("predicted_at") > start) & (pl.col("arrived_at") <= end))
    with_loop = _quality(world, promoted["version"], rows)
    without = _quality(world, 1, rows)
    narrator.must(
        with_loop["loss"] < without["loss"],
        f"on the {rows.height:,} flights since, the Brier loss is {with_loop['loss']:.4f} and ROC "
        f"AUC {with_loop['auc']:.3f}; without the loop they would have been "
        f"{without['loss']:.4f} and {without['auc']:.3f}",
        with_loop=with_loop,
        without_loop=without,
    )


def _quality(world: World, number: int, rows: pl.DataFrame) -> dict[str, float]:
    version = world.container.version(MODEL, number)
    predictor = open_bundle(version.bundle_path, key=world.container.key)
    columns = from_polars(rows, predictor.manifest.signature)
    score = predictor.predict(columns, count(columns)).score
    truth = rows["late"].to_numpy()
    loss = bounded_loss("binary", truth, score, classes=(False, True), positive=True)
    auc = metric("roc_auc", "binary", truth, score, classes=(False, True), positive=True)
    return {"loss": float(np.mean(loss)), "auc": float(auc)}
