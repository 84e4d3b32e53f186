"""Fleets with a known truth: models whose days vary, and some of whose columns move."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.days import between_of
from holdfast.monitoring.drift import Judged, judge
from holdfast.monitoring.fleet import share_of
from holdfast.monitoring.merge import Blocks
from holdfast.monitoring.sliced import prices_of, reference_of
from holdfast.monitoring.streams import Streams, measure
from holdfast.records import Bins, ColumnSummary, Reference, Season, SliceDays, Summary
from holdfast.statistics.histogram import Distance

DAY = timedelta(days=1)
START = datetime(2024, 1, 1, tzinfo=UTC)
EDGES = np.linspace(-2.0, 2.0, 15)


@dataclass(frozen=True)
class World:
    """A model of ``columns`` normal columns, in ``slices`` equal slices.

    Args:
        weather: standard deviation of the days of all rows together, beside 1 of the rows;
            ``own`` of the days of each slice by itself. 0 for independent rows.
        follows: how much a day resembles the one before.
        rows: a day.
        held: held-out days; ``days`` that follow.
    """

    columns: int = 3
    slices: int = 3
    weather: float = 0.2
    own: float = 0.1
    follows: float = 0.0
    rows: int = 900
    held: int = 28
    days: int = 30

    def streams(
        self, rng: np.random.Generator, shift: NDArray[np.float64] | None = None
    ) -> list[Streams]:
        """All rows and each slice, measured.

        Args:
            rng: of the draw.
            shift: (slices, columns) by which what follows has moved, in standard deviations.
        """
        moved = np.zeros((self.slices, self.columns)) if shift is None else shift
        before, after = self._cells(rng, self.held, 0 * moved), self._cells(rng, self.days, moved)
        reference = self._reference(before)
        blocks = [self._blocks(after), *(self._blocks(after, one) for one in range(self.slices))]
        keys = [f"part={one}" for one in range(self.slices)]
        references = [reference, *(reference_of(reference, key) for key in keys)]
        return [measure(*pair) for pair in zip(references, blocks, strict=True)]

    def _cells(
        self, rng: np.random.Generator, days: int, moved: NDArray[np.float64]
    ) -> NDArray[np.intp]:
        """(days, slices, rows a slice and day, columns) cell of each value."""
        shape = (days, self.slices, self.rows // self.slices, self.columns)
        level = self.weather * rng.normal(size=(days, 1, 1, self.columns))
        level = level + self.own * rng.normal(size=(days, self.slices, 1, self.columns))
        for day in range(1, days):
            fresh = np.sqrt(1 - self.follows**2) * level[day]
            level[day] = self.follows * level[day - 1] + fresh
        return np.searchsorted(EDGES, level + moved[:, None] + rng.normal(size=shape))

    def _reference(self, cells: NDArray[np.intp]) -> Reference:
        bins = tuple(
            Bins(column=f"x{i}", kind="numeric", edges=tuple(EDGES)) for i in range(self.columns)
        )
        slices, summaries = {}, [_summary("", bins, cells)]
        whole = between_of(bins, *_long(bins, cells), {})
        assert whole is not None
        for one in range(self.slices):
            mine = cells[:, one]
            summaries.append(_summary(f"part={one}", bins, mine))
            between = between_of(bins, *_long(bins, mine), {}, whole.following)
            assert between is not None
            slices[f"part={one}"] = SliceDays(between=between, season=Season())
        return Reference(
            bins=bins, summaries=tuple(summaries), loss=0.0, loss_low=0.0, loss_high=0.0,
            between=whole, slices=slices,
        )  # fmt: skip

    def _blocks(self, cells: NDArray[np.intp], one: int | None = None) -> Blocks:
        mine = cells if one is None else cells[:, one]
        each = mine.reshape(self.days, -1, self.columns)
        counts = {
            f"x{i}": np.array([np.bincount(day[:, i], minlength=17) for day in each])
            for i in range(self.columns)
        }
        return Blocks(tuple(START + k * DAY for k in range(self.days)), DAY, counts)


def _long(
    bins: tuple[Bins, ...], cells: NDArray[np.intp]
) -> tuple[dict[str, NDArray[np.intp]], NDArray[np.int64]]:
    flat = cells.reshape(-1, len(bins))
    days = np.repeat(np.arange(len(cells)), len(flat) // len(cells))
    return {one.column: flat[:, i] for i, one in enumerate(bins)}, days


def _summary(key: str, bins: tuple[Bins, ...], cells: NDArray[np.intp]) -> Summary:
    flat = cells.reshape(-1, len(bins))
    columns = tuple(
        ColumnSummary(
            column=one.column, counts=tuple(np.bincount(flat[:, i], minlength=17).tolist()),
            n=len(flat),
        )
        for i, one in enumerate(bins)
    )  # fmt: skip
    return Summary(model="m", version=1, hour=START, slice=key, rows=len(flat), columns=columns)


def until(part: Streams, day: int) -> Streams:
    """What was known at the end of a day: nothing that is measured looks ahead."""
    return Streams(
        part.reference,
        part.length,
        part.rows[:, :day],
        part.lost[:, :day],
        part.log_m[:, :day],
        tuple(Distance(*(one[:, :day] for one in each)) for each in part.apart),
        part.counted[:, :, :day],
    )


def judged(parts: list[Streams], share: NDArray[np.float64], **options: float) -> Judged:
    """One model at the end of the last day, at so much of its budget each day."""
    sizes = [len(one.columns) for one in parts]
    return judge(parts, prices_of(sizes), 1.0, budget=share, **options)


def lived(
    models: list[list[Streams]], *, together: bool = True, **options: float
) -> list[NDArray[np.bool_]]:
    """Of each model (days, streams) what was declared, every day looked at when it was over.

    Models are looked at one after the other, as in production: of those before it in the row a look
    knows today, of the others yesterday.
    """
    days = models[0][0].log_m.shape[1]
    least = [np.inf] * len(models)
    shares = np.ones((len(models), days))
    flags: list[list[NDArray[np.bool_]]] = [[] for _ in models]
    for day in range(1, days + 1):
        for place, parts in enumerate(models):
            if together:
                shares[place, day - 1] = share_of(least[:place] + least[place + 1 :])
            now = [until(one, day) for one in parts]
            found = judged(now, shares[place, :day], **options)
            least[place] = np.inf if found.level is None else found.level
            flags[place].append(
                np.array([one.declared[-1] for part in found.parts for one in part])
            )
    return [np.array(one) for one in flags]


def runs(flags: NDArray[np.bool_]) -> int:
    """Findings in (days, streams): runs of declared days, which two days between do not end."""
    begun = 0
    for stream in flags.T:
        at = np.flatnonzero(stream)
        begun += int(np.count_nonzero(np.diff(at, prepend=-9) > 3))
    return begun
