"""The chart of quality over time as inline SVG: loss of all versions, their levels, and marks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from markupsafe import Markup, escape

from holdfast.control.axes import Scale, nice_ticks, runs, tick_text, time_text, time_ticks
from holdfast.control.charts import points_of, svg
from holdfast.control.series import Level, Mark, QualityPoint
from holdfast.control.words import loss, number, when

_TOP, _BOTTOM, _LEFT, _RIGHT = 30, 26, 44, 10
_LABEL = 24.0  # room for the name of a version
_MATURE = 0.9

Value = Callable[[QualityPoint], float | None]


@dataclass(frozen=True, slots=True)
class _Frame:
    """The plotting area."""

    x: Scale
    y: Scale
    start: datetime
    end: datetime
    width: int
    height: int

    def at(self, time: datetime) -> float:
        inside = min(max(time, self.start), self.end)
        return self.x((inside - self.start).total_seconds())

    def middle(self, point: QualityPoint) -> float:
        return self.at(point.start + (point.end - point.start) / 2)

    @property
    def floor(self) -> float:
        return self.height - _BOTTOM

    @property
    def right(self) -> float:
        return self.width - _RIGHT


def quality_chart(
    points: Sequence[QualityPoint],
    marks: Sequence[Mark],
    levels: Sequence[Level],
    *,
    width: int = 1080,
    height: int = 300,
) -> Markup:
    """Loss over time: realised with intervals, estimated as a band, levels stepwise, and marks.

    Args:
        points: at least one, in the order of time.
        marks: in the order of time; those before the first point are left out, but for the
            version that was live by then. Versions may be younger than the last point.
        levels: in the order of time.
        width: of the drawing. Text keeps its size, so draw one for each width of window.
        height: of the drawing.
    """
    frame = _frame(points, marks, levels, width, height)
    shown = [one for one in levels if _overlaps(frame, one)]
    parts = [
        *_grid(frame),
        *_bands(frame, shown),
        *_estimates(frame, points),
        *_adapted(frame, points),
        *_realised(frame, points),
        *_corrected(frame, points),
        *_marks(frame, marks),
    ]
    text = (
        f"Mean loss of predictions from {when(points[0].start)} to {when(points[-1].end)} UTC in "
        f"{len(points)} points; the table below has the numbers."
    )
    return svg("quality", width, height, "Quality over time", text, "".join(parts))


def _frame(
    points: Sequence[QualityPoint], marks: Sequence[Mark], levels: Sequence[Level],
    width: int, height: int,
) -> _Frame:  # fmt: skip
    highs = ((p.realised_high, p.estimated_high, p.corrected_high, p.adapted) for p in points)
    bottoms = ((p.realised_low, p.estimated_low, p.corrected_low, p.adapted) for p in points)
    tops = [one for part in highs for one in part if one is not None]
    lows = [one for part in bottoms for one in part if one is not None]
    both = [level for one in levels for level in (one.reference, one.tolerated)]
    held = [level for level in both if level is not None]
    high, low = max([*tops, *held], default=1.0), min([*lows, *held], default=0.0)
    if low < 0.5 * high:
        low = 0.0  # the loss is a ratio scale: show zero unless that wastes most of the height
    ticks = nice_ticks(low, high * 1.04)
    start, length = points[0].start, points[-1].end - points[-1].start
    # A version that went live just now has no point yet, but its mark needs some room.
    news = [mark.at + length for mark in marks if mark.kind == "version"]
    end = max(points[-1].end, *news) if news else points[-1].end
    return _Frame(
        Scale(0, (end - start).total_seconds(), _LEFT, width - _RIGHT),
        Scale(ticks[0], ticks[-1], height - _BOTTOM, _TOP),
        start, end, width, height,
    )  # fmt: skip


def _overlaps(frame: _Frame, level: Level) -> bool:
    return level.start < frame.end and (level.end is None or level.end > frame.start)


def _grid(frame: _Frame) -> Iterator[str]:
    levels = nice_ticks(frame.y.low, frame.y.high)
    for tick in levels:
        y = frame.y(tick)
        yield f'<path class="grid" d="M{_LEFT} {y}H{frame.right}"/>'
        label = tick_text(tick, levels)
        yield f'<text class="axis end" x="{_LEFT - 8}" y="{y + 4:.1f}">{label}</text>'
    ticks = time_ticks(frame.start, frame.end, max(frame.width // 95, 2))
    for time in ticks:
        x = frame.at(time)
        if x > frame.right - 16:
            continue
        yield f'<path class="grid" d="M{x} {frame.floor}v5"/>'
        label = time_text(time, ticks)
        anchor = "start" if x < _LEFT + 16 else "middle"
        yield f'<text class="axis {anchor}" x="{x}" y="{frame.floor + 19:.1f}">{label}</text>'


def _bands(frame: _Frame, levels: Sequence[Level]) -> Iterator[str]:
    for one in levels:
        left, right = frame.at(one.start), frame.at(one.end or frame.end)
        if one.reference is not None and one.tolerated is not None:
            top, bottom = frame.y(one.tolerated), frame.y(one.reference)
            yield (
                f'<rect class="band" x="{left}" y="{top}" width="{right - left:.1f}" '
                f'height="{bottom - top:.1f}"/>'
            )
        if one.reference is not None:
            yield f'<path class="reference" d="M{left} {frame.y(one.reference)}H{right}"/>'
        if one.tolerated is not None:
            yield f'<path class="tolerated" d="M{left} {frame.y(one.tolerated)}H{right}"/>'


def _lines(points: Sequence[QualityPoint], value: Value) -> Iterator[list[QualityPoint]]:
    """Stretches of points of one version that have the value."""
    for _, group in groupby(points, key=lambda point: point.version):
        part = list(group)
        for run in runs([value(point) is not None for point in part]):
            yield part[run.start : run.stop]


def _estimates(frame: _Frame, points: Sequence[QualityPoint]) -> Iterator[str]:
    for part in _lines(points, lambda point: point.estimated):
        upper = [(frame.middle(p), frame.y(p.estimated_high or 0.0)) for p in part]
        lower = [(frame.middle(p), frame.y(p.estimated_low or 0.0)) for p in reversed(part)]
        if len(part) == 1:
            (x, high), (_, low) = upper[0], lower[0]
            yield f'<path class="estimated-line" d="M{x} {high}V{low}M{x - 4:.1f} '
            yield f'{frame.y(part[0].estimated or 0.0)}h8"/>'
            continue
        yield f'<polygon class="estimated-band" points="{points_of([*upper, *lower])}"/>'
        line = [(frame.middle(p), frame.y(p.estimated or 0.0)) for p in part]
        yield f'<polyline class="estimated-line" points="{points_of(line)}"/>'


def _adapted(frame: _Frame, points: Sequence[QualityPoint]) -> Iterator[str]:
    for part in _lines(points, lambda point: point.adapted):
        line = [(frame.middle(p), frame.y(p.adapted or 0.0)) for p in part]
        if len(line) == 1:
            x, y = line[0]
            line = [(x - 4, y), (x + 4, y)]
        yield f'<polyline class="adapted-line" points="{points_of(line)}"/>'


def _corrected(frame: _Frame, points: Sequence[QualityPoint]) -> Iterator[str]:
    """A diamond beside the measured loss, so that neither hides the other."""
    for point in points:
        if point.corrected is None:
            continue
        x, y = frame.middle(point) + 4, frame.y(point.corrected)
        low, high = frame.y(point.corrected_low or 0.0), frame.y(point.corrected_high or 0.0)
        yield f'<path class="corrected-bar" d="M{x:.1f} {low}V{high}"/>'
        yield f'<path class="corrected-dot" d="M{x:.1f} {y - 4:.1f}l4 4l-4 4l-4-4z">'
        bounds = f"{loss(point.corrected_low)} to {loss(point.corrected_high)}"
        text = f"{when(point.start)}: {loss(point.corrected)} ({bounds}), corrected for late labels"
        yield f"<title>{escape(text)}</title></path>"


def _realised(frame: _Frame, points: Sequence[QualityPoint]) -> Iterator[str]:
    radius = 3.2 if (frame.right - _LEFT) / len(points) > 7 else 2.2
    for part in _lines(points, lambda point: point.realised):
        line = [(frame.middle(p), frame.y(p.realised or 0.0)) for p in part]
        yield f'<polyline class="realised-line" points="{points_of(line)}"/>'
    for point in points:
        if point.realised is None:
            continue
        x = frame.middle(point)
        low, high = frame.y(point.realised_low or 0.0), frame.y(point.realised_high or 0.0)
        yield f'<path class="realised-bar" d="M{x} {low}V{high}"/>'
        kind = "realised-dot" if point.maturity >= _MATURE else "realised-dot young"
        yield f'<circle class="{kind}" cx="{x}" cy="{frame.y(point.realised)}" r="{radius}">'
        yield f"<title>{escape(_told(point))}</title></circle>"


def _told(point: QualityPoint) -> str:
    bounds = f"{loss(point.realised_low)} to {loss(point.realised_high)}"
    return (
        f"{when(point.start)} to {when(point.end)}, version {point.version}: "
        f"{loss(point.realised)} ({bounds}), {number(point.labelled)} of {number(point.rows)} "
        "labelled"
    )


def _marks(frame: _Frame, marks: Sequence[Mark]) -> Iterator[str]:
    known = [mark for mark in dict.fromkeys(marks) if mark.at <= frame.end]
    older = [mark for mark in known if mark.kind == "version" and mark.at < frame.start]
    inside = [*older[-1:], *(mark for mark in known if mark.at >= frame.start)]
    places = sorted(((frame.at(mark.at), mark) for mark in inside), key=lambda one: one[0])
    versions = [one for one in places if one[1].kind == "version"]
    ends = [x for x, _ in versions[1:]] + [frame.right]
    before = float(_LEFT)
    for (x, mark), following in zip(versions, ends, strict=False):
        yield f'<path class="mark-version" d="M{x} 12V{frame.floor}"/>'
        text = escape(mark.text)
        if following - x > _LABEL:
            yield f'<text class="mark-text" x="{x + 4:.1f}" y="20">{text}</text>'
        elif x - before > 2 * _LABEL:
            yield f'<text class="mark-text end" x="{x - 4:.1f}" y="20">{text}</text>'
        before = x
    for x, mark in places:
        if mark.kind == "finding":
            y = frame.floor
            yield f'<path class="mark-finding" d="M{x} {_TOP}V{y}"/>'
            yield f'<path class="mark-flag" d="M{x} {_TOP - 8}l5 9h-10z">'
            yield f"<title>{escape(when(mark.at))}: {escape(mark.text)}</title></path>"
