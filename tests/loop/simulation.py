"""A model's life on simulated time: real stages, a world that is made up, and no disk.

Monitoring, deciding, gate and release rules are those of the package, and what is left out of a
training is left out by its code. Only what wires them is written again here, day by day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from holdfast.data.leave_out import leave_out
from holdfast.deciding.decide import State, decide
from holdfast.gate.evaluate import evaluate
from holdfast.gate.evidence import GateEvidence
from holdfast.loop.state import consecutive
from holdfast.monitoring.count import count
from holdfast.monitoring.freeze import freeze
from holdfast.monitoring.held import outlives
from holdfast.monitoring.look import Look, look
from holdfast.monitoring.loss_monitor import tolerated
from holdfast.records import (
    Decision,
    Evidence,
    Reference,
    Release,
    ReleaseState,
    Spell,
    joined,
)  # fmt: skip
from holdfast.release.context import Context
from holdfast.release.rules import next_transition
from holdfast.spec import Gate, Monitor, Retrain, parse_spec
from holdfast.spec import Release as ReleasePolicy
from holdfast.spec.schedule import last_due

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)
FEATURES = ["wind", "load", "kind"]
MONTH = 30 * DAY

Breaking = Callable[[int, pl.DataFrame], pl.DataFrame]


@dataclass
class Version:
    number: int
    model: LogisticRegression
    reference: Reference
    rows: pl.DataFrame

    def score(self, rows: pl.DataFrame) -> np.ndarray:
        return self.model.predict_proba(_matrix(rows))[:, 1]


@dataclass
class World:
    """Days of rows: seasons move the inputs and the answers, and each day has a mood of its own."""

    seed: int
    rows: int = 200
    season: float = 0.6
    mood: float = 0.15
    turn: Callable[[int], float] = lambda day: 0.0
    breaking: Breaking = lambda day, rows: rows

    def day(self, day: int) -> pl.DataFrame:
        rng = np.random.default_rng([self.seed, day])
        n, year = self.rows, np.sin(2 * np.pi * day / 365)
        wind = 20 + 3 * (rng.normal(size=n) + self.season * year)
        load = rng.gamma(4, 10, n)
        kind = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
        slope = 1.0 - self.turn(day)
        logit = slope * (wind - 20) / 2 + 0.02 * (load - 40) + self.mood * rng.normal()
        late = rng.exponential(1.5, n)  # a few labels come after a week, one in twenty never
        at = START + DAY * day
        seconds = np.sort(rng.uniform(0, 86_400, n))
        when = [at + timedelta(seconds=s) for s in seconds]
        known = [
            w + timedelta(days=d) if keep else None
            for w, d, keep in zip(when, late, rng.random(n) < 0.95, strict=True)
        ]
        rows = pl.DataFrame(
            {
                "at": when, "wind": wind, "load": load, "kind": kind,
                "label": rng.random(n) < 1 / (1 + np.exp(-logit)), "label_at": known,
            },
            schema_overrides={"at": pl.Datetime("us", "UTC"), "label_at": pl.Datetime("us", "UTC")},
        )  # fmt: skip
        return self.breaking(day, rows)


@dataclass
class Life:
    """What happened, and how to go on: see :meth:`live`."""

    world: World
    policy: Retrain
    monitor: Monitor = field(default_factory=lambda: Monitor(minimum=100))
    gate: Gate = field(default_factory=lambda: Gate(metric="neg_brier_score", margin=0.02))
    release: ReleasePolicy = field(default_factory=lambda: ReleasePolicy(strategy="direct"))
    every: int = 1
    holds: bool = True
    decisions: list[Decision] = field(default_factory=list)
    looks: list[tuple[int, Look]] = field(default_factory=list)
    retrains: list[datetime] = field(default_factory=list)
    outcomes: list[bool] = field(default_factory=list)
    released: list[tuple[datetime, int]] = field(default_factory=list)
    rolled_back: list[datetime] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    left_out: list[tuple[Spell, ...]] = field(default_factory=list)
    level: float | None = None
    incidents: list[tuple[datetime, str]] = field(default_factory=list)

    def live(self, days: int, history: int = 60) -> Life:
        """Trains on some days, goes live, and lives on for so many."""
        self._all = pl.concat([self.world.day(day) for day in range(history)])
        self._spells: dict[int, tuple[Spell, ...]] = {}
        self._now = START + history * DAY
        self._opened_by: int | None = None
        self._champion = self._train()
        self._watch: Release | None = None
        self._begin(self._champion)
        for day in range(history, history + days):
            rows = self.world.day(day)
            self._all = pl.concat([self._all, rows])
            self._answer(rows)
            self._now = START + (day + 1) * DAY
            self._watched()
            if day % self.every == 0:
                self._look()
        return self

    def loss(self, start: int, end: int) -> float:
        """The mean measured loss of the days from ``start`` until before ``end``."""
        days = {
            (one.start - START) // DAY: one.loss
            for _, seen in self.looks
            for one in seen.quality
            if one.loss is not None
        }
        found = [loss for day, loss in days.items() if start <= day < end]
        return sum(found) / len(found)

    def _train(self) -> Version:
        known = self._all.filter(
            pl.col("label_at").is_not_null()
            & (pl.col("label_at") <= self._now)
            & (pl.col("at") >= self._now - (self.policy.window or 400 * DAY))
        )
        spells = joined(one for found in self._spells.values() for one in found)
        known, left = leave_out(known, "at", spells)
        self.left_out.append(left)
        cut = int(known.height * 0.8)
        train, test = known[:cut], known[cut:]
        model = LogisticRegression().fit(_matrix(train), train["label"].to_numpy())
        truth = test["label"].to_numpy()
        score = model.predict_proba(_matrix(test))[:, 1]
        number = len(self.versions) + 1
        reference = freeze(
            test.with_columns(prediction=pl.Series(score)), truth, (score - truth) ** 2,
            task="binary", features=FEATURES, model="m", version=number, at=test["at"],
        )  # fmt: skip
        self.versions.append(Version(number, model, reference, known))
        return self.versions[-1]

    def _begin(self, version: Version) -> None:
        self._champion, self._since = version, self._now
        again = version.number == self._opened_by
        if not self.holds or not outlives(self.level, version.reference, self.monitor, again=again):
            self._close()
        self._carried = self.level
        self._parts: list[pl.DataFrame] = []
        self._answered: list[pl.DataFrame] = []
        self.released.append((self._now, version.number))

    def _answer(self, rows: pl.DataFrame) -> None:
        live = self._champion
        scored = rows.with_columns(prediction=pl.Series(live.score(rows)))
        self._parts.append(count(scored, live.reference, model="m", version=live.number))
        self._answered.append(scored.select("at", "label_at", "label", score="prediction"))

    def _look(self) -> None:
        live = self._champion
        seen = look(
            live.reference, pl.concat(self._parts), pl.concat(self._answered), self.monitor,
            task="binary", model="m", version=live.number, since=self._since, until=self._now,
            classes=(False, True), positive=True, level=self._carried,
        )  # fmt: skip
        if self.level is None and any(one.kind == "realised_loss" for one in seen.findings):
            self.level, self._opened_by = tolerated(live.reference, self.monitor), live.number
            self.incidents.append((self._now, "opened"))
        elif seen.back or (self._carried is None and not any(f.pages for f in seen.findings)):
            self._close()
        self._spells[len(self.released)] = seen.broken
        self.looks.append((self._day, seen))
        decision = decide(
            seen.findings, self._state(seen), self.policy, tolerance=self.monitor.tolerance,
            now=self._now, model="m", version=live.number,
        )  # fmt: skip
        self.decisions.append(decision)
        if decision.action == "retrain":
            self._retrain(live)
        elif decision.action == "roll_back":
            self._roll_back()

    def _close(self) -> None:
        if self.level is not None:
            self.incidents.append((self._now, "closed"))
        self.level = self._carried = self._opened_by = None

    @property
    def _day(self) -> int:
        return (self._now - START) // DAY - 1

    def _retrain(self, live: Version) -> None:
        self.retrains.append(self._now)
        new = self._train()
        test = new.rows[int(new.rows.height * 0.8) :]
        verdict = evaluate(
            GateEvidence(
                model="m", version=new.number, task="binary", truth=test["label"].to_numpy(),
                score=new.score(test), champion=live.number, champion_score=live.score(test),
                positive=True,
            ),
            self.gate, seed=new.number, now=self._now, id=f"v{new.number}", resamples=100,
        )  # fmt: skip
        self.outcomes.append(verdict.outcome == "pass")
        if verdict.outcome != "pass":
            return
        release = Release(
            id=f"r{new.number}", model="m", version=new.number, previous=live.number, plan=(),
            state=ReleaseState.PENDING, started_at=self._now, step_at=self._now,
            actor="holdfast", reason="passed",
        )  # fmt: skip
        self._watch = release
        self._move(live.number)
        assert self._watch is not None
        assert self._watch.state == ReleaseState.WATCHED
        self._begin(new)

    def _watched(self) -> None:
        if self._watch is not None:
            self._move(self._watch.version)

    def _move(self, live: int) -> None:
        assert self._watch is not None
        context = Context(
            alpha=0.05, minimum=100, step_pairs=0, labels=True, max_latency=None, live=live
        )
        moved = next_transition(self._watch, Evidence(), self.release, self._now, context)
        if moved is not None:
            changes = {"state": moved.state, "step_at": self._now}
            values = {name: getattr(self._watch, name) for name in self._watch.__struct_fields__}
            self._watch = Release(**(values | changes))
            if moved.state != ReleaseState.WATCHED:
                self._watch = None

    def _roll_back(self) -> None:
        assert self._watch is not None
        assert self._watch.previous is not None
        self.rolled_back.append(self._now)
        self.outcomes[-1] = False
        previous = self.versions[self._watch.previous - 1]
        self._watch = None
        self._begin(previous)

    def _state(self, seen: Look) -> State:
        spec = parse_spec(_SPEC)
        due = None
        if self.policy.schedule is not None:
            due = last_due(self.policy.schedule, self.policy.timezone, self._now)
        began = max([START + 60 * DAY, *self.retrains])
        failures = 0
        for good in reversed(self.outcomes):
            if good:
                break
            failures += 1
        return State(
            last_retrain_at=self.retrains[-1] if self.retrains else None,
            retrains_in_30_days=sum(at > self._now - MONTH for at in self.retrains),
            failures=failures,
            consecutive_looks=consecutive(seen.findings, spec, self._now),
            released_at=self._since,
            release_watching=self._watch is not None,
            previous_version=self._watch.previous if self._watch else None,
            schedule_due=due if due is not None and due > began else None,
        )


_SPEC = """
[model]
name = "m"
task = "binary"
train = "m:train"
[data]
source = "rows.csv"
time = "at"
label = "label"
features = ["wind"]
[gate]
metric = "neg_brier_score"
"""


def _matrix(rows: pl.DataFrame) -> np.ndarray:
    wind = rows["wind"].fill_nan(None).fill_null(20.0).to_numpy()
    load = rows["load"].fill_nan(None).fill_null(40.0).to_numpy()
    kinds = [(rows["kind"] == kind).to_numpy() for kind in "bc"]
    return np.column_stack([(wind - 20) / 3, (load - 40) / 20, *kinds])
