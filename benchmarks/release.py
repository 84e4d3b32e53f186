"""Whole releases, simulated on the real rules: how often a good version is stopped for nothing, and
after how many requests a bad one is off the traffic.

Nothing is served: requests, answers, times and labels are drawn, and what is known after every
``EVERY`` requests goes through ``holdfast.release`` as the control plane would send it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from options import Options
from report import Grid, Report, Row, Table
from scipy.stats import beta

from holdfast.records import Evidence, Release, ReleaseState
from holdfast.release.context import Context
from holdfast.release.evidence import compare, disagreement, disagreement_by_slice
from holdfast.release.latency import slower
from holdfast.release.plan import plan
from holdfast.release.rules import next_transition
from holdfast.release.states import move
from holdfast.spec import Release as Policy

RUNS_A_ROUND = 40
REQUESTS = 2000
EVERY = 50
ALPHA, MARGIN = 0.05, 0.02
START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
STOPPED = (ReleaseState.ABORTED, ReleaseState.ROLLED_BACK)
Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class World:
    """What traffic and two versions are like; by default both versions are equally good.

    Args:
        strategy: of the release.
        rows: rows of a request.
        errors: share of requests that a version fails on.
        delay: mean of the labels' delay, in requests; positives take ``slow_positives`` times that.
        tail: shape of the Pareto law of latencies; below 2 it has no variance.
        burst: how much load slows both versions at a time, as a power of e.
        error_gain: further share of requests that the challenger fails on.
        slower: factor of the challenger's latency; ``stalls``: share of its answers that take 20
            times as long.
        shift: added to the challenger's scores; ``swapped``: share of rows, all of one slice, where
            it swaps the classes.
        loss: how much greater the challenger's mean loss is.
    """

    strategy: str = "canary"
    rows: int = 1
    errors: float = 0.005
    delay: float = 100.0
    slow_positives: float = 1.0
    tail: float = 2.5
    burst: float = 0.3
    error_gain: float = 0.0
    slower: float = 1.0
    stalls: float = 0.0
    shift: float = 0.0
    swapped: float = 0.0
    loss: float = 0.0


GOOD = {
    "steady traffic": World(),
    "blue/green": World(strategy="blue_green"),
    "shadow": World(strategy="shadow"),
    "latencies without a variance, bursts of load": World(tail=1.2, burst=1.0),
    "errors on 1 request in 1,000": World(errors=0.001),
    "errors on 1 request in 20": World(errors=0.05),
    "8 rows a request, which fail together": World(rows=8, errors=0.02),
    "labels that do not come: looked at all the time": World(delay=1e6),
    "labels late, positives three times later": World(delay=400.0, slow_positives=3.0),
}
BAD = {
    "fails on 2 % more": World(error_gain=0.02),
    "fails on 5 % more": World(error_gain=0.05),
    "fails on 20 % more": World(error_gain=0.2),
    "takes 2 times as long": World(slower=2.0),
    "takes 3 times as long": World(slower=3.0),
    "takes 10 times as long": World(slower=10.0),
    "stalls on 10 % (20 times as long)": World(stalls=0.1),
    "scores shifted by 0.2": World(shift=0.2),
    "scores shifted by 0.3": World(shift=0.3),
    "swaps the classes in a slice of 5 %": World(swapped=0.05),
    "swaps the classes everywhere": World(swapped=1.0),
    "loss greater by 0.04": World(loss=0.04),
    "loss greater by 0.06": World(loss=0.06),
    "loss greater by 0.10": World(loss=0.10),
}


class Traffic:
    """All that will happen in one run, drawn beforehand; who answers depends on the step."""

    def __init__(self, world: World, seed: int, requests: int) -> None:
        rng = np.random.default_rng(seed)
        n = requests * world.rows
        self.world, self.rng, self.requests = world, rng, requests
        self.request = np.repeat(np.arange(requests), world.rows)
        # Narrower where the challenger errs by much, so that its scores stay probabilities.
        p = rng.uniform(0.35, 0.65, n) if world.loss else rng.uniform(0.2, 0.8, n)
        self.slice = rng.choice(["rare", "often"], n, p=[0.05, 0.95])
        self.truth = (rng.random(n) < p).astype(int)
        self.old = np.clip(p + rng.uniform(-0.15, 0.15, n), 0, 1)
        self.new = self._answers(p)
        # What the gate saw: a fault of serving came later, a loss by a changed world did not show.
        sound = self.new if world.loss else np.clip(p + rng.uniform(-0.15, 0.15, n), 0, 1)
        gap = disagreement("binary", sound, self.old)
        self.expected = float(gap.mean())
        self.by_slice = disagreement_by_slice(gap, {"kind": self.slice})
        load = np.exp(world.burst * np.sin(np.arange(requests) / 40) + rng.normal(0, 0.2, requests))
        self.seconds_old = 0.005 * load * (1 + rng.pareto(world.tail, requests))
        self.seconds_new = 0.005 * load * (1 + rng.pareto(world.tail, requests)) * world.slower
        self.seconds_new[rng.random(requests) < world.stalls] *= 20
        self.failed_old = (rng.random(requests) < world.errors)[self.request]
        failing = world.errors + world.error_gain
        self.failed_new = (rng.random(requests) < failing)[self.request]
        mean = world.delay * np.where(self.truth == 1, world.slow_positives, 1.0)
        delay = rng.exponential(1.0, n) * mean
        ripe = float(np.quantile(delay, 0.9))
        self.label_at = self.request + np.maximum(delay, ripe)
        self.chance = rng.random(requests)
        self.by_new = np.zeros(requests, dtype=bool)

    def _answers(self, p: Array) -> Array:
        world, rng = self.world, self.rng
        new = p + rng.uniform(-0.15, 0.15, len(p))
        if world.loss:  # E[(p + s - y)²] − E[(p − y)²] = s², over the loss of the champion's noise
            size = np.sqrt(world.loss + 0.15**2 / 3)
            new = p + size * rng.choice([-1.0, 1.0], len(p))
            return np.asarray(new)
        new = np.clip(new + world.shift, 0, 1)
        if world.swapped == 1.0:
            return 1 - new
        return np.where((self.slice == "rare") & (world.swapped > 0), 1 - new, new)

    def seen(self, until: int) -> Evidence:
        """What is known after some requests."""
        rows = slice(0, until * self.world.rows)
        who = self.by_new[:until]
        answered = ~np.where(who, self.failed_new[:: self.world.rows][:until],
                             self.failed_old[:: self.world.rows][:until])  # fmt: skip
        took = np.where(who, self.seconds_new[:until], self.seconds_old[:until])
        return compare(
            task="binary",
            score_new=self.new[rows],
            score_old=self.old[rows],
            error_new=self.failed_new[rows],
            error_old=self.failed_old[rows],
            expected=self.expected,
            margin=MARGIN,
            tolerance=MARGIN,
            truth=self.truth[rows],
            labelled=self.label_at[rows] <= until,
            label_at=self.label_at[rows],
            seconds_new=self.seconds_new[self.request[rows]],
            request=self.request[rows],
            slices={"kind": self.slice[rows]},
            expected_by_slice=self.by_slice,
            late=slower(took[answered], who[answered], Policy().slower),
        )


def simulate(world: World, seed: int, requests: int = REQUESTS, every: int = EVERY) -> Release:
    """One release to its end, or as long as the traffic lasts; looked at after ``every`` requests.

    A request takes a second, so that ``step_at`` of the result says after how many it ended.
    """
    traffic = Traffic(world, seed, requests)
    policy = Policy(strategy=world.strategy)  # type: ignore[arg-type]
    release = Release(
        id="r", model="m", version=2, previous=1, plan=plan(policy), state=ReleaseState.PENDING,
        started_at=START, step_at=START, actor="bench",
        expected_disagreement=traffic.expected, expected_by_slice=traffic.by_slice,
    )  # fmt: skip
    began, evidence = 0, Evidence()
    for look in range(0, requests + 1, every):
        if look:
            weight = release.plan[release.step].weight
            traffic.by_new[look - every : look] = traffic.chance[look - every : look] < weight
            evidence = traffic.seen(look)
        context = Context(alpha=ALPHA, step_pairs=evidence.pairs - began, live=None)
        now = START + look * SECOND
        transition = next_transition(release, evidence, policy, now, context)
        if transition is not None:
            release, began = move(release, transition, evidence, now), evidence.pairs
        if release.state not in (ReleaseState.SHADOW, ReleaseState.CANARY):
            break
    return release


def interval(hits: int, runs: int) -> tuple[float, float]:
    """Exact 95 % bounds of a rate (Clopper and Pearson 1934)."""
    low = beta.ppf(0.025, hits, runs - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, runs - hits) if hits < runs else 1.0
    return float(low), float(high)


def measure(options: Options, work: Path) -> Report:  # noqa: ARG001 (all benchmarks take both)
    """Every world of both kinds."""
    runs, requests = (
        options.count(RUNS_A_ROUND * options.rounds),
        400 if options.quick else REQUESTS,
    )
    good, bad, values, all_stopped = [], [], [], 0
    for name, world in GOOD.items():
        start = 1000 * len(good)  # no two worlds share their draws
        ends = [simulate(world, start + seed, requests) for seed in range(runs)]
        stopped = sum(end.state in STOPPED for end in ends)
        all_stopped += stopped
        live = sum(end.state == ReleaseState.WATCHED for end in ends)
        good.append([name, *_rate(stopped, runs), f"{live / runs:.0%}"])
    good.append(["all together", *_rate(all_stopped, runs * len(GOOD)), ""])
    for name, world in BAD.items():
        ends = [simulate(world, 10_000 + seed, requests) for seed in range(runs)]
        times = [_requests(end) for end in ends if end.state in STOPPED]
        live = sum(end.state == ReleaseState.WATCHED for end in ends)
        median, most = np.quantile(times, [0.5, 0.95]) if times else (np.nan, np.nan)
        rates = [*_rate(len(times), runs), *_rate(live, runs)]
        bad.append([name, *rates, f"{median:,.0f}", f"{most:,.0f}"])
        values.append(Row(name, [float(one) for one in times] or [None]))
    return Report(
        name="release",
        about=f"{runs} simulated releases of each kind, at alpha = {ALPHA}, looked at after every "
        f"{EVERY} requests. A release ends when it is live, is stopped, or after {requests:,} "
        "requests, when it still waits.",
        tables=[Table(title="requests until a bad version is stopped", unit="", rows=values)],
        grids=[
            Grid("versions as good as the champion",
                 ["world", "stopped for nothing", "95 % interval", "live"], good),
            Grid("planted bad versions",
                 ["fault", "stopped", "95 % interval", "live", "95 % interval",
                  "requests, median", "95 %"], bad),
        ],
        notes=[
            f"At most {ALPHA:.0%} of good versions may be stopped, over the whole release.",
            "Requests count all traffic, of which a canary's first step takes 5 %.",
            "A latency can only be compared while both versions answer requests.",
        ],
    )  # fmt: skip


def _rate(hits: int, runs: int) -> tuple[str, str]:
    low, high = interval(hits, runs)
    return f"{hits / runs:.1%}", f"{low:.1%} to {high:.1%}"


def _requests(release: Release) -> float:
    return (release.step_at - START).total_seconds()
