"""Stages 1 to 4: train, go live, refuse a worse candidate, stop a broken one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from holdfast.cli.demo.narrator import Narrator
from holdfast.cli.demo.world import MODEL, World

FIRST_DAYS = datetime(2013, 4, 3, tzinfo=UTC)
CANARY_PACE = 0.05  # seconds for each hour, so that the loop can keep up
CANARY_ENDS = datetime(2013, 4, 12, tzinfo=UTC)


def declare_and_train(world: World, narrator: Narrator) -> None:
    """Stage 1: check and train."""
    narrator.stage("1. From declaration to a registered version")
    checked = world.command("check")
    narrator.must(
        checked["ok"],
        f"the spec, the code and {checked['rows']:,} rows are in order, {checked['known']:,} of "
        "them with a label that is known by now",
    )
    version = world.command("train")
    metric = version["metrics"][0]
    narrator.must(
        version["number"] == 1 and metric["low"] < metric["value"] < metric["high"],
        f"version 1: {metric['name']} {metric['value']:.3f} "
        f"(95 % interval {metric['low']:.3f} to {metric['high']:.3f}) on {metric['n']:,} flights "
        "that were held out, the newest",
        seconds_to_train=world.last_seconds,
        roc_auc=metric["value"],
    )
    narrator.must(
        all(version[key] for key in ("run", "dataset", "lock")) and bool(version["code"]["digest"]),
        f"it can be walked back to run {version['run'][:8]}, code {version['code']['digest'][7:15]}"
        f", dataset {version['dataset'][7:15]} and environment {version['lock'][7:15]}",
    )
    narrator.must(
        version["predictor"] == "onnx",
        f"its bundle is compiled: {version['predictor_note']}",
    )


def gate_and_go_live(world: World, narrator: Narrator) -> None:
    """Stage 2: the gate, the first release, predictions and labels."""
    narrator.stage("2. Through the gate, and live")
    verdict = world.command("gate", "1")
    for check in verdict["checks"]:
        narrator.say(f"    {check['name']}: {check['sentence']}")
    narrator.must(verdict["outcome"] == "pass", "the gate passes version 1 on its own merits")
    world.up()
    release = world.command("release", "1", "--wait")
    narrator.must(release["state"] == "watched", "version 1 is live")
    world.wait(lambda: epoch(world) >= 1, "the server has the route")
    played = world.traffic.play(FIRST_DAYS)
    narrator.must(
        played.failed == 0 and played.rows > 1000,
        f"{played.rows:,} flights were asked about in {played.requests:,} requests to /invocations,"
        " none failed",
    )
    narrator.must(
        0 < played.labels < played.rows,
        f"{played.labels:,} labels came, each when its flight landed; "
        f"the {played.rows - played.labels:,} others are still in the air or to leave",
    )
    recorded = world.wait(
        lambda: (rows := recorded_rows(world)) >= played.rows and rows, "every prediction is logged"
    )
    narrator.must(
        recorded == played.rows, f"every one of the {recorded:,} predictions is in the log, once"
    )


def refuse_a_worse_one(world: World, narrator: Narrator) -> None:
    """Stage 3: a worse candidate and the gate."""
    narrator.stage("3. A worse candidate")
    narrator.say(
        'Somebody simplifies the model to the schedule alone: train = "delays:train_schedule".'
    )
    world.edit('"delays:train"', '"delays:train_schedule"')
    world.command("train")
    verdict = world.command("gate", "2", status=1)
    world.edit('"delays:train_schedule"', '"delays:train"')
    found = {check["name"]: check for check in verdict["checks"]}
    champion, slices = found["champion"], found["slices"]
    narrator.must(
        champion["outcome"] == "fail" and champion["high"] < 0,
        f"the gate refuses it: {champion['sentence']}",
        worse_by=champion["value"],
    )
    narrator.must(
        slices["outcome"] == "fail" and ("origin" in slices["sentence"] or "carrier" in
                                         slices["sentence"]),
        f"and names the slice that got worse: {slices['sentence']}",
    )  # fmt: skip


def stop_a_broken_one(world: World, narrator: Narrator) -> None:
    """Stage 4: a candidate that is as good offline and broken in production."""
    narrator.stage("4. A candidate that is good offline and broken in production")
    narrator.say(
        "Somebody moves the training data to metric units, and the behavioural tests with it. "
        "The airlines, of course, go on sending miles, °F and minutes."
    )
    world.edit('"delays:load"', '"delays:load_metric"')
    conftest = world.project / "tests" / "behaviour" / "conftest.py"
    conftest.write_text(METRIC_TESTS)
    world.command("train", "--accept-data", "metric units from now on")
    verdict = world.command("gate", "3")
    narrator.must(
        verdict["outcome"] == "pass",
        "on the held-out rows nothing is wrong with it, and the gate passes it",
    )
    began = world.clock.now()
    world.command("release", "3")
    played = world.traffic.play(
        CANARY_ENDS,
        pace=lambda: CANARY_PACE,
        stop=lambda: release_of(world, 3)["state"] not in ("shadow", "canary"),
    )
    release = world.wait(
        lambda: (found := release_of(world, 3))["state"] == "aborted" and found,
        "the release is aborted",
    )
    world.edit('"delays:load_metric"', '"delays:load"')
    conftest.unlink()
    hours = (world.clock.now() - began).total_seconds() / 3600
    narrator.must(
        release["state"] == "aborted",
        f"the canary was aborted by itself after {release['evidence']['pairs']:,} flights, "
        f"{hours:.0f} simulated hours: {release['reason']}",
        canary_aborted_after=release["evidence"]["pairs"],
    )
    world.wait(lambda: recorded_rows(world) >= played.rows, "the log is complete")
    shares = canary_shares(world, 3)
    told = ", ".join(f"{got:.1%} where {asked:.0%} was asked for" for asked, got, _ in shares)
    narrator.must(
        bool(shares) and all(got <= most for _, got, most in shares) and played.failed == 0,
        f"users got its answers for no more than the canary's share: {told}; no request failed",
        canary_shares=[got for _, got, _ in shares],
    )


def canary_shares(world: World, version: int) -> list[tuple[float, float, float]]:
    """For each canary step of a version: its share of the requests as asked for, as it was, and as
    it may be by the luck of the draw (three standard deviations).
    """
    container = world.container
    routes = container.ask(container.store.routes.history, MODEL, 1000)[::-1]
    rows = container.log.scan(MODEL, role="live").select("request", "epoch", "version").collect()
    found = []
    for route in routes:
        weights = {arm.version: arm.weight for arm in route.arms}
        seen = rows.filter(pl.col("epoch") == route.epoch).unique("request")
        asked = weights.get(version, 0.0)
        if 0 < asked < 1 and seen.height:
            got = seen.filter(pl.col("version") == version).height / seen.height
            found.append((asked, got, asked + 3 * (asked * (1 - asked) / seen.height) ** 0.5))
    return found


METRIC_TESTS = '''"""The rows of the tests, in the units that the model is now trained on."""

import pandas as pd
import pytest

FACTORS = {"distance": 1.609344, "wind_speed": 0.44704, "precipitation": 25.4,
           "visibility": 1.609344, "airport_delay": 1 / 60}


def convert(rows):
    frame = pd.DataFrame(rows)
    metric = {name: pd.to_numeric(frame[name]) * factor for name, factor in FACTORS.items()}
    return frame.assign(**metric, temperature=(pd.to_numeric(frame["temperature"]) - 32) / 1.8)


@pytest.fixture
def model(model):
    class Metric:
        def predict(self, rows):
            return model.predict(convert(rows))

    return Metric()
'''


def epoch(world: World) -> int:
    """The epoch that the server says it serves; 0 for none."""
    status = world.api.call("GET", f"/api/v1/models/{MODEL}")
    return max((server["epochs"].get(MODEL, 0) for server in status["servers"]), default=0)


def recorded_rows(world: World) -> int:
    """Live rows in the prediction log."""
    frame = world.container.log.scan(MODEL, role="live").select(pl.len()).collect()
    return int(frame.item())


def release_of(world: World, version: int) -> dict[str, Any]:
    """The newest release of a version."""
    releases = world.api.call("GET", f"/api/v1/models/{MODEL}/releases")
    found: dict[str, Any] = next(r for r in releases if r["version"] == version)
    return found
