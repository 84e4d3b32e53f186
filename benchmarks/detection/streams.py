"""Streams of predictions whose truth is known: held-out days, production days, and what changed.

The model of these worlds is perfect until something changes: ``prediction`` is the very probability
with which ``label`` comes true. What is said about a stream is thus said about the monitor.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

START = np.datetime64("2026-01-05", "us")  # a Monday
DAY = np.timedelta64(86_400_000_000, "us")
LABELS_AFTER = DAY
MOST_REFERENCE = 20_000
LEVELS = ("a", "b", "c", "d")
SHARES = (0.4, 0.3, 0.2, 0.1)
WEIGHTS = (1.0, 0.8, 0.6, 0.4)
RAMP = 20  # days a gradual change takes
PERIOD = 5  # days a recurring change is there, then away

Floats = NDArray[np.float64]
Nature = Literal["independent", "autocorrelated", "daily", "weekly", "heavy"]
Change = Literal["", "covariate", "everywhere", "label", "concept", "unseen pair", "used pair"]
Course = Literal["abrupt", "gradual", "recurring"]


class Stream(NamedTuple):
    """What all monitors are given.

    Args:
        reference: held-out rows: ``at``, the features, ``prediction``, ``label``.
        production: the same, with ``label_at``.
        days: days of production; they begin with the day after the held-out rows.
        change: day of production on which something changes; None when nothing does.
    """

    reference: pl.DataFrame
    production: pl.DataFrame
    days: int
    change: int | None

    @property
    def features(self) -> list[str]:
        """Names of the features, in order."""
        return [
            name
            for name in self.reference.columns
            if name not in ("at", "prediction", "label", "label_at")
        ]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A world of numbers and categories with a calibrated score.

    Args:
        name: what tables call it.
        columns: features; every fifth is categorical, the first four numbers matter.
        rows: a day.
        nature: how days and rows resemble one another.
        change: what changes at ``at_day``, by ``size``: standard deviations of the first number or
            of every number, the factor on the odds of the label, the share of labels that are
            turned round, the correlation of two numbers which the model does not use, or does.
        course: how it comes.
        days: of production; ``reference_days`` before it.
    """

    name: str
    columns: int = 10
    rows: int = 500
    nature: Nature = "independent"
    change: Change = ""
    size: float = 0.0
    course: Course = "abrupt"
    days: int = 30
    at_day: int = 10
    reference_days: int = 28

    @property
    def null(self) -> Table:
        """The same without a change: one for all scenarios of this shape."""
        name = f"{self.nature}, {self.columns} columns, {self.rows:,} rows a day, unchanged"
        return replace(self, name=name, change="", size=0.0, course="abrupt")

    def draw(self, seed: int) -> Stream:
        """One stream; the same for the same seed."""
        random = np.random.default_rng([zlib.crc32(repr(self).encode()), seed])
        kept = max(min(self.rows, MOST_REFERENCE // self.reference_days), 10)
        sizes = np.array([kept] * self.reference_days + [self.rows] * self.days)
        if self.nature == "weekly":
            weekend = np.arange(sizes.size) % 7 >= 5
            sizes = np.where(weekend, sizes // 2, sizes)
        day = np.repeat(np.arange(sizes.size), sizes)
        strength = self._strength(day - self.reference_days)
        frame = _rows(self, random, day, strength)
        held_out = int(sizes[: self.reference_days].sum())
        return Stream(
            frame[:held_out], frame[held_out:].with_columns(label_at=pl.col("at") + LABELS_AFTER),
            self.days, self.at_day if self.change else None,
        )  # fmt: skip

    def _strength(self, day: NDArray[np.int64]) -> Floats:
        """How much of the change is there on each day, from 0 to 1."""
        since = day - self.at_day
        if not self.change:
            return np.zeros(day.size)
        if self.course == "gradual":
            return np.asarray(np.clip((since + 1) / RAMP, 0, 1))
        if self.course == "recurring":
            return np.asarray((since >= 0) & (since // PERIOD % 2 == 0), dtype=np.float64)
        return np.asarray(since >= 0, dtype=np.float64)


def _rows(
    world: Table, random: np.random.Generator, day: NDArray[np.int64], strength: Floats
) -> pl.DataFrame:
    """All rows, held-out ones first."""
    n = day.size
    spent = np.sort(day + random.random(n))
    texts = world.columns // 5
    x = random.normal(size=(n, world.columns - texts))
    base = np.full(n, -1.0)
    _season(world, random, x, base, day, spent % 1.0)
    _move(world, x, strength)
    category = random.choice(len(LEVELS), (n, texts), p=SHARES)
    logit = base + np.tanh(x[:, : len(WEIGHTS)]) @ WEIGHTS[: x.shape[1]]
    if texts:
        logit += 0.5 * (category[:, 0] == 0)
    p = 1 / (1 + np.exp(-logit))
    label = random.random(n) < p
    if world.change == "concept":
        label ^= random.random(n) < world.size * strength
    if world.change == "label":
        chosen = _tilted(random, label, world.size, strength > 0)
        x, category, p, label = x[chosen], category[chosen], p[chosen], label[chosen]
    if world.nature == "heavy":
        x = np.sign(x) * np.expm1(2 * np.abs(x))
        x[random.random(x.shape) < 0.001] = 1e6
        x[random.random(x.shape) < 0.05] = np.nan
    at = START + (spent * DAY.astype(np.int64)).astype("timedelta64[us]")
    return pl.DataFrame(
        {
            "at": at,
            **{f"x{i}": x[:, i] for i in range(x.shape[1])},
            **{f"c{i}": np.asarray(LEVELS)[category[:, i]] for i in range(texts)},
            "prediction": p,
            "label": label.astype(np.int64),
        }
    ).with_columns(pl.col("at").dt.replace_time_zone("UTC"))


def _season(
    world: Table, random: np.random.Generator, x: Floats, base: Floats, day: NDArray[np.int64],
    hour: Floats,
) -> None:  # fmt: skip
    """What differs between days or hours although nothing is wrong; in place."""
    if world.nature == "autocorrelated":
        days = int(day.max()) + 1
        x += 0.15 * _following(random, days, x.shape[1])[day]
        base += 0.2 * _following(random, days, 1)[day, 0]
    elif world.nature == "daily":
        x += np.sin(2 * np.pi * hour)[:, None]
    elif world.nature == "weekly":
        weekend = day % 7 >= 5
        x += 0.7 * weekend[:, None]
        base -= 0.5 * weekend


def _following(random: np.random.Generator, days: int, columns: int) -> Floats:
    """(days, columns) of variance 1, where each day resembles the one before by 0.7."""
    result = random.normal(size=(days, columns))
    for i in range(1, days):
        result[i] = 0.7 * result[i - 1] + np.sqrt(1 - 0.49) * result[i]
    return np.asarray(result)


def _move(world: Table, x: Floats, strength: Floats) -> None:
    """Changes of the inputs; in place."""
    if world.change == "covariate":
        x[:, 0] += world.size * strength
    elif world.change == "everywhere":
        x += (world.size * strength)[:, None]
    elif world.change in ("unseen pair", "used pair"):
        a, b = (4, 5) if world.change == "unseen pair" else (0, 1)
        r = world.size * strength
        x[:, b] = r * x[:, a] + np.sqrt(1 - r**2) * x[:, b]


def _tilted(
    random: np.random.Generator, label: NDArray[np.bool_], odds: float, changed: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Rows to take instead: where changed, such that the odds of the label are multiplied."""
    chosen = np.arange(label.size)
    weights = np.where(label, odds, 1.0)
    chosen[changed] = random.choice(label.size, int(changed.sum()), p=weights / weights.sum())
    return np.asarray(chosen, dtype=np.intp)


def day_of(frame: pl.DataFrame, column: str = "at") -> pl.Series:
    """Day of production of each row, by a time of it; 0 is the first day there are rows of."""
    first = frame["at"].dt.epoch("d").min()
    return frame[column].dt.epoch("d") - first
