"""What the docs promise of the monitors, simulated on the production code at the border."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray
from options import Options
from report import Grid

from detection import ours
from detection.judge import Z, rate
from detection.streams import Stream, Table, day_of
from holdfast.monitoring.cells import PREDICTION
from holdfast.monitoring.count import count
from holdfast.monitoring.drift import MINIMUM_EFFECT, Drift, drift
from holdfast.monitoring.estimate import estimate_counts
from holdfast.monitoring.merge import Blocks, blocks
from holdfast.records import Reference
from holdfast.statistics.eprocess import cusum, gaussian_cusum
from holdfast.statistics.exact import wilson

RUN_LENGTH = 1000
BORDER = 0.12


def measure(options: Options) -> Grid:
    """One line for each promise."""
    many = 40 if options.quick else 400
    few = 2 if options.quick else 40
    return Grid(
        "what the documentation promises, where it is hardest to keep",
        ["promise", "where", "measured (95 % interval)", "kept"],
        [
            *_runs(many), _over_blocks(many), *_declared(few),
            _bounds(few), _estimates(few), *_ten(),
        ],
    )  # fmt: skip


def _runs(many: int) -> list[list[str]]:
    """The e-detector over labels, at exactly the loss that is tolerated."""
    lines = []
    for name, draw in (
        ("losses of 0 or 1", lambda random: (random.random(RUN_LENGTH) < BORDER).astype(float)),
        ("Brier losses", lambda random: random.beta(0.6, 0.6 * (1 / BORDER - 1), RUN_LENGTH)),
    ):
        alarms = sum(
            _reaches(cusum(draw(np.random.default_rng([1, seed])), BORDER), RUN_LENGTH)
            for seed in range(many)
        )
        lines.append(_share_line(
            "at threshold A a false alarm comes after A labels or more on average",
            f"{name}, mean exactly as tolerated: alarmed within A = {RUN_LENGTH:,}", alarms, many,
            1 - np.exp(-1),
        ))  # fmt: skip
    return lines


def _over_blocks(many: int) -> list[str]:
    """The detector over blocks, each exactly as tolerated, normal and independent."""
    looks = 60
    alarms = sum(
        _reaches(gaussian_cusum(np.random.default_rng([2, seed]).normal(size=looks)), looks)
        for seed in range(many)
    )
    return _share_line(
        "the same over blocks", f"normal block means: alarmed within A = {looks}", alarms, many,
        1 - np.exp(-1),
    )  # fmt: skip


def _declared(many: int) -> list[list[str]]:
    """Evidence of drift alone, before it must also be large enough to matter."""
    lines = []
    for columns, rows in ((10, 500), (50, 1000)):
        world = Table(name="promise", columns=columns, rows=rows)
        events = 0
        for seed in range(many):
            stream = world.draw(seed)
            declared = np.array([one.declared for one in _drift(stream, minimum_effect=0.0)])
            events += int(np.diff(declared, axis=1, prepend=False).clip(min=0).sum())
        found = rate(events, many * world.days)
        lines.append([
            "evidence of drift alone errs no more often than the budget of one a month",
            f"{columns} columns, {rows:,} rows a day, without the demand on the effect", str(found),
            _kept(found.value, found.low, 1.0),
        ])  # fmt: skip
    return lines


def _bounds(many: int) -> list[str]:
    """The lower bound of the effect where a column moved by half a standard deviation."""
    world = Table(name="bounds", change="covariate", size=0.5, rows=500)
    huge = Table(name="huge", change="covariate", size=0.5, rows=20_000, at_day=0, days=2)
    stream = huge.draw(0)
    truth = next(float(one.effect[-1]) for one in _drift(stream) if one.column == "x0")
    above = looks = 0
    for seed in range(many):
        moved = next(one for one in _drift(world.draw(seed)) if one.column == "x0")
        low = moved.low[world.at_day :]
        above, looks = above + int((low > truth).sum()), looks + low.size
    return _share_line(
        "the lower bound of an effect is too high in 5 % of looks at most",
        f"a shift whose distance is {truth:.3f}", above, looks, 0.05,
    )  # fmt: skip


def _estimates(many: int) -> list[str]:
    """The interval of the estimated loss against the labels, where the calibration holds."""
    outside = looks = 0
    world = Table(name="estimates", change="everywhere", size=0.2)
    for seed in range(many):
        stream = world.draw(seed)
        reference, seen = _counted(stream)
        for row, loss in zip(seen.counts[PREDICTION], _losses(stream), strict=True):
            told = estimate_counts(row, reference, "binary")
            if told.value is not None:
                outside += not told.low <= loss <= told.high
                looks += 1
    return _share_line(
        "the 95 % interval of the estimated loss holds the measured one",
        "inputs moved by 0.2 sd, calibration intact: outside", outside, looks, 0.05,
    )  # fmt: skip


def _ten() -> list[list[str]]:
    """Ten rows, whatever they hold: nothing may be said from them."""
    lines = []
    nature = Table(name="ten", rows=10, days=1)
    for name, stream in (
        ("as held out", nature.draw(0)), ("absurd values, every answer wrong", _absurd(nature)),
    ):  # fmt: skip
        found = ours.watch(stream)
        said = [kind for kind, track in found.items() if track.told]
        lines.append([
            "never an alarm from ten rows", f"ten rows in all, {name}",
            ", ".join(said) or "nothing was said", "no" if said else "yes",
        ])  # fmt: skip
    return lines


def _reaches(log_m: NDArray[np.float64], threshold: float) -> bool:
    return bool((log_m >= np.log(threshold)).any())


def _absurd(world: Table) -> Stream:
    stream = world.draw(1)
    numbers = [name for name in stream.features if name.startswith("x")]
    rows = stream.production.with_columns(
        *(pl.lit(1e9).alias(name) for name in numbers), prediction=pl.lit(1.0),
        label=pl.lit(0, dtype=pl.Int64), label_at=pl.col("at"),
    )  # fmt: skip
    return stream._replace(production=rows)


def _counted(stream: Stream) -> tuple[Reference, Blocks]:
    reference, day = ours.frozen(stream), timedelta(days=1)
    since = ours.first_midnight(stream)
    rows = count(stream.production, reference, model="m", version=1)
    until = since + stream.days * day
    return reference, blocks(rows, reference.bins, since=since, until=until, length=day)


def _drift(stream: Stream, minimum_effect: float = MINIMUM_EFFECT) -> tuple[Drift, ...]:
    reference, seen = _counted(stream)
    return drift(reference, seen, minimum_effect=minimum_effect)


def _losses(stream: Stream) -> NDArray[np.float64]:
    """(days,) mean Brier loss of each day's predictions."""
    rows = stream.production.with_columns(day=day_of(stream.production))
    loss = ((pl.col("prediction") - pl.col("label")) ** 2).mean()
    return rows.group_by("day").agg(loss.alias("loss")).sort("day")["loss"].to_numpy()


def _share_line(promise: str, where: str, hits: int, many: int, allowed: float) -> list[str]:
    share, bounds = hits / many, wilson(hits, many, Z)
    measured = f"{share:.1%} ({bounds.low:.1%} – {bounds.high:.1%}), allowed {allowed:.0%}"
    return [promise, where, measured, _kept(share, bounds.low, allowed)]


def _kept(value: float, low: float, allowed: float) -> str:
    if low > allowed:
        return "no"
    return "yes" if value <= allowed else "within chance"
