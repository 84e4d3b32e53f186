"""The chart of a replay: loss over time of every course, and beneath it what happened in each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl
from markupsafe import Markup, escape

from holdfast.control.axes import Scale, nice_ticks, runs, tick_text, time_text, time_ticks
from holdfast.control.charts import points_of, svg
from holdfast.control.words import loss, spelled, when
from holdfast.loop.replay.results import Outcome, Result

_TOP, _LEFT, _RIGHT, _PLOT, _LANE, _AXIS = 12, 44, 10, 250, 46, 26
_COLOURS = 6
At = Callable[[datetime], float]
_GRAINS = tuple(timedelta(days=days) for days in (1, 2, 7, 14, 28, 56, 112))


class Course(NamedTuple):
    """A course to be drawn: what came of it, its place in the list, its quality over time."""

    outcome: Outcome
    place: int
    series: pl.DataFrame


def thinned(courses: Sequence[Course], most: int) -> tuple[list[Course], str]:
    """The courses with at most so many points, each the mean of several blocks; and how much time
    a point stands for, in words.
    """
    starts = pl.concat([one.series["start"] for one in courses]).unique().sort()
    least: timedelta = starts.diff().min() if len(starts) > 1 else timedelta(days=1)  # type: ignore[assignment]
    span = (starts[-1] - starts[0]) + least if len(starts) else least
    grains = [least, *(one for one in _GRAINS if one > least)]
    grain = next((one for one in grains if span / one <= most), grains[-1])
    if grain > least:
        courses = [one._replace(series=_pooled(one.series, starts[0], grain)) for one in courses]
    return list(courses), spelled(grain)


def _pooled(series: pl.DataFrame, begin: datetime, grain: timedelta) -> pl.DataFrame:
    micros = grain // timedelta(microseconds=1)
    place = (pl.col("start") - begin).dt.total_microseconds() // micros
    weight = pl.when(pl.col("loss").is_not_null()).then("labelled").otherwise(0)
    return (
        series.group_by(place.alias("place"))
        .agg(
            start=pl.col("start").min(),
            loss=(pl.col("loss") * weight).sum() / weight.sum(),
            labelled=weight.sum(),
        )
        .with_columns(loss=pl.when(pl.col("labelled") > 0).then("loss"))
        .sort("start")
    )


def replay_chart(courses: Sequence[Course], result: Result, *, width: int) -> Markup:
    """Loss over time of the courses, the tolerated loss of the first version, and a strip for each
    course that has anything to show: bad times, pages, trainings and changes of the live version.

    Args:
        courses: as :func:`thinned` makes them.
        result: the replay.
        width: of the drawing.
    """
    strips = [one for one in courses if _eventful(one.outcome)]
    height = _TOP + _PLOT + _AXIS + _LANE * len(strips)
    values = [v for one in courses for v in one.series["loss"].drop_nulls().to_list()]
    tolerated = result.courses[0].tolerated
    high, low = max([*values, tolerated]), min([*values, tolerated])
    ticks = nice_ticks(0.0 if low < 0.5 * high else low, high * 1.04)
    seconds = (result.end - result.begin).total_seconds()
    x = Scale(0, seconds, _LEFT, width - _RIGHT)
    y = Scale(ticks[0], ticks[-1], _TOP + _PLOT, _TOP)

    def at(moment: datetime) -> float:
        inside = min(max(moment, result.begin), result.end)
        return x((inside - result.begin).total_seconds())

    parts = [*_grid(result, ticks, y, at, width)]
    parts.append(f'<path class="tolerated" d="M{_LEFT} {y(tolerated)}H{width - _RIGHT}"/>')
    for one in reversed(courses):
        parts.extend(_line(one, at, y))
    for place, one in enumerate(strips):
        parts.extend(_strip(one, _TOP + _PLOT + _AXIS + place * _LANE, at, width))
    text = "; ".join(
        f"{one.outcome.name}: mean loss {loss(one.outcome.loss)}, {len(one.outcome.pages)} pages, "
        f"{len(one.outcome.trainings)} trainings"
        for one in courses
    )
    return svg("replay", width, height, "Loss over time", text, "".join(parts))


def _eventful(one: Outcome) -> bool:
    return bool(one.pages or one.trainings or one.changes or one.harms)


def _grid(result: Result, ticks: Sequence[float], y: Scale, at: At, width: int) -> Iterator[str]:
    for tick in ticks:
        yield f'<path class="grid" d="M{_LEFT} {y(tick)}H{width - _RIGHT}"/>'
        label = tick_text(tick, ticks)
        yield f'<text class="axis end" x="{_LEFT - 8}" y="{y(tick) + 4:.1f}">{label}</text>'
    moments = time_ticks(result.begin, result.end, max(width // 95, 2))
    for moment in moments:
        place = at(moment)
        if place > width - _RIGHT - 16:
            continue
        floor = _TOP + _PLOT
        anchor = "start" if place < _LEFT + 16 else "middle"
        yield f'<path class="grid" d="M{place} {floor}v5"/>'
        text = time_text(moment, moments)
        yield f'<text class="axis {anchor}" x="{place}" y="{floor + 19}">{text}</text>'


def _line(one: Course, at: At, y: Scale) -> Iterator[str]:
    starts, values = one.series["start"].to_list(), one.series["loss"].to_list()
    colour = f"course-{one.place % _COLOURS}"
    for run in runs([value is not None for value in values]):
        points = [(at(starts[place]), y(values[place])) for place in run]
        if len(points) == 1:
            yield f'<circle class="{colour} dot" cx="{points[0][0]}" cy="{points[0][1]}" r="2.5"/>'
        else:
            yield f'<polyline class="{colour}" points="{points_of(points)}"/>'


def _strip(one: Course, top: int, at: At, width: int) -> Iterator[str]:
    """One course's line of events."""
    middle = top + 30
    name = escape(one.outcome.name)
    yield f'<rect class="course-{one.place % _COLOURS} swatch" x="{_LEFT}" y="{top + 6}" '
    yield f'width="10" height="10" rx="2"/><text class="axis" x="{_LEFT + 16}" y="{top + 15}">'
    yield f"{name}</text>"
    yield f'<path class="grid" d="M{_LEFT} {middle}H{width - _RIGHT}"/>'
    for harm in one.outcome.harms:
        left, right = at(harm.start), at(harm.end)
        said = f"{when(harm.start)} to {when(harm.end)}: loss {loss(harm.loss)}"
        yield f'<rect class="harm" x="{left}" y="{middle - 5}" width="{max(right - left, 1):.1f}" '
        yield f'height="10"><title>{escape(said)}</title></rect>'
    for training in one.outcome.trainings:
        left = at(training.at)
        said = f"{when(training.at)}: training ({training.trigger}), {training.outcome}"
        yield f'<circle class="training" cx="{left}" cy="{middle}" r="3.5">'
        yield f"<title>{escape(said)}</title></circle>"
    for change in one.outcome.changes:
        left = at(change.at)
        said = f"{when(change.at)}: {change.kind}, version {change.version} live"
        yield f'<path class="change {change.kind}" d="M{left} {middle - 9}v18">'
        yield f"<title>{escape(said)}</title></path>"
    for page in one.outcome.pages:
        left = at(page.at)
        yield f'<path class="page {page.truth}" d="M{left} {middle - 3}l5 -9h-10z">'
        yield f"<title>{escape(when(page.at))}: {escape(page.sentence)}</title></path>"
