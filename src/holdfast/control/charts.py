"""Charts as inline SVG, drawn on the server: they need no script and print as they are seen.

Colours come from the style sheet by class. Every chart has a title and a description; the numbers
behind it stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from holdfast.control.axes import Scale, nice_ticks, runs, tick_text, time_text, time_ticks
from holdfast.control.panels import Mark, QualityPoint
from holdfast.control.words import loss, number, when

_TOP, _BOTTOM, _LEFT, _RIGHT = 30, 26, 44, 10
_MATURE = 0.9


def sparkline(counts: Sequence[int], what: str, width: int = 132, height: int = 28) -> Markup:
    """Bars of equal width, the last one now; a hairline where the count is 0."""
    peak = max(counts, default=0)
    step = width / max(len(counts), 1)
    bars = "".join(
        f'<rect x="{place * step:.1f}" y="{height - tall:.1f}" width="{step - 1:.1f}" '
        f'height="{tall:.1f}"/>'
        for place, count in enumerate(counts)
        for tall in [max(count / peak * (height - 2), 0.75) if peak else 0.75]
    )
    text = f"{what}: {number(sum(counts))} in all, at most {number(peak)}, now {number(counts[-1])}"
    return _svg("spark", width, height, what, text, f'<g class="bars">{bars}</g>')


def trend(values: Sequence[float | None], floor: float, top: float, what: str) -> Markup:
    """A line of effects over time with the floor as a hairline; gaps where nothing is known."""
    width, height = 96, 24
    y = Scale(0, top, height - 2, 2)
    x = Scale(0, max(len(values) - 1, 1), 2, width - 2)
    parts = [f'<line class="floor" x1="0" x2="{width}" y1="{y(floor)}" y2="{y(floor)}"/>']
    for run in runs([value is not None for value in values]):
        points = [(x(place), y(min(values[place] or 0.0, top))) for place in run]
        if len(points) == 1:
            parts.append(f'<circle class="dot" cx="{points[0][0]}" cy="{points[0][1]}" r="1.5"/>')
        else:
            parts.append(f'<polyline class="line" points="{_points(points)}"/>')
    return _svg("trend", width, height, what, f"{what}, {len(values)} blocks", "".join(parts))


def effect_bar(
    effect: float | None, low: float | None, high: float | None, floor: float, top: float,
    *, moved: bool, what: str,
) -> Markup:  # fmt: skip
    """A bar from zero with its interval as a whisker and the floor as a tick."""
    width, height = 160, 20
    x = Scale(0, top, 1, width - 1)
    middle = height / 2
    parts = [f'<rect class="track" x="1" y="6" width="{width - 2}" height="8"/>']
    if effect is not None:
        kind = "moved" if moved else "still"
        parts.append(f'<rect class="{kind}" x="1" y="6" width="{x(effect) - 1:.1f}" height="8"/>')
    if low is not None and high is not None:
        left, right = x(min(low, top)), x(min(high, top))
        parts.append(f'<path class="whisker" d="M{left} {middle}H{right}M{left} 6v8M{right} 6v8"/>')
    parts.append(f'<path class="tick" d="M{x(floor)} 1v18"/>')
    said = "not enough data" if effect is None else f"{loss(effect)} ({loss(low)} to {loss(high)})"
    return _svg("effect", width, height, what, f"{said}; {loss(floor)} is usual", "".join(parts))


@dataclass(frozen=True, slots=True)
class _Frame:
    """The plotting area of a quality chart."""

    x: Scale
    y: Scale
    start: datetime
    width: int
    height: int
    block: timedelta

    def at(self, time: datetime) -> float:
        return self.x((time - self.start) / self.block)

    @property
    def floor(self) -> float:
        return self.height - _BOTTOM

    @property
    def right(self) -> float:
        return self.width - _RIGHT


def quality_chart(
    points: Sequence[QualityPoint],
    marks: Sequence[Mark],
    *,
    reference: float | None,
    tolerated: float | None,
    block: timedelta,
    width: int = 1080,
    height: int = 300,
) -> Markup:
    """Loss over time: realised with intervals, estimated as a band, levels, and marks.

    Args:
        points: at least one, in the order of time.
        marks: within the span of the points, or they are left out.
        reference: loss on the held-out rows.
        tolerated: loss up to which nobody is woken.
        block: length of a block.
        width: of the drawing. Text keeps its size, so draw one for each width of window.
        height: of the drawing.
    """
    frame = _frame(points, reference, tolerated, block, width, height)
    parts = [
        *_grid(frame),
        *_levels(frame, reference, tolerated),
        *_estimates(frame, points),
        *_realised(frame, points),
        *_marks(frame, marks),
    ]
    text = (
        f"Mean loss of {len(points)} blocks of predictions from {when(points[0].start)} "
        f"to {when(points[-1].start)} UTC; the table below has the numbers."
    )
    return _svg("quality", width, height, "Quality over time", text, "".join(parts))


def _frame(
    points: Sequence[QualityPoint], reference: float | None, tolerated: float | None,
    block: timedelta, width: int, height: int,
) -> _Frame:  # fmt: skip
    tops = [one for p in points for one in (p.realised_high, p.estimated_high) if one is not None]
    lows = [one for p in points for one in (p.realised_low, p.estimated_low) if one is not None]
    levels = [level for level in (reference, tolerated) if level is not None]
    high, low = max([*tops, *levels], default=1.0), min([*lows, *levels], default=0.0)
    if low < 0.5 * high:
        low = 0.0  # the loss is a ratio scale: show zero unless that wastes most of the height
    ticks = nice_ticks(low, high * 1.04)
    start = points[0].start
    blocks = (points[-1].start - start) / block + 1
    return _Frame(
        Scale(0, blocks, _LEFT, width - _RIGHT),
        Scale(ticks[0], ticks[-1], height - _BOTTOM, _TOP),
        start, width, height, block,
    )  # fmt: skip


def _grid(frame: _Frame) -> Iterator[str]:
    levels = nice_ticks(frame.y.low, frame.y.high)
    for tick in levels:
        y = frame.y(tick)
        yield f'<path class="grid" d="M{_LEFT} {y}H{frame.right}"/>'
        label = tick_text(tick, levels)
        yield f'<text class="axis end" x="{_LEFT - 8}" y="{y + 4:.1f}">{label}</text>'
    end = frame.start + frame.x.high * frame.block
    ticks = time_ticks(frame.start, end, max(frame.width // 95, 2))
    for time in ticks:
        x = frame.at(time)
        if x > frame.right - 16:
            continue
        yield f'<path class="grid" d="M{x} {frame.floor}v5"/>'
        label = time_text(time, ticks)
        anchor = "start" if x < _LEFT + 16 else "middle"
        yield f'<text class="axis {anchor}" x="{x}" y="{frame.floor + 19:.1f}">{label}</text>'


def _levels(frame: _Frame, reference: float | None, tolerated: float | None) -> Iterator[str]:
    wide = f"{frame.right - _LEFT:.1f}"
    if reference is not None and tolerated is not None:
        top, bottom = frame.y(tolerated), frame.y(reference)
        tall = f"{bottom - top:.1f}"
        yield f'<rect class="band" x="{_LEFT}" y="{top}" width="{wide}" height="{tall}"/>'
    if reference is not None:
        yield f'<path class="reference" d="M{_LEFT} {frame.y(reference)}H{frame.right}"/>'
    if tolerated is not None:
        yield f'<path class="tolerated" d="M{_LEFT} {frame.y(tolerated)}H{frame.right}"/>'


def _middle(frame: _Frame, point: QualityPoint) -> float:
    return frame.at(point.start + frame.block / 2)


def _estimates(frame: _Frame, points: Sequence[QualityPoint]) -> Iterator[str]:
    for run in runs([point.estimated is not None for point in points]):
        part = [points[place] for place in run]
        upper = [(_middle(frame, p), frame.y(p.estimated_high or 0.0)) for p in part]
        lower = [(_middle(frame, p), frame.y(p.estimated_low or 0.0)) for p in reversed(part)]
        if len(part) == 1:
            (x, high), (_, low) = upper[0], lower[0]
            yield f'<path class="estimated-line" d="M{x} {high}V{low}M{x - 4:.1f} '
            yield f'{frame.y(part[0].estimated or 0.0)}h8"/>'
            continue
        yield f'<polygon class="estimated-band" points="{_points([*upper, *lower])}"/>'
        line = [(_middle(frame, p), frame.y(p.estimated or 0.0)) for p in part]
        yield f'<polyline class="estimated-line" points="{_points(line)}"/>'


def _realised(frame: _Frame, points: Sequence[QualityPoint]) -> Iterator[str]:
    radius = 3.2 if frame.x(1) - frame.x(0) > 7 else 1.8
    for run in runs([point.realised is not None for point in points]):
        line = [(_middle(frame, points[i]), frame.y(points[i].realised or 0.0)) for i in run]
        yield f'<polyline class="realised-line" points="{_points(line)}"/>'
    for point in points:
        if point.realised is None:
            continue
        x = _middle(frame, point)
        low, high = frame.y(point.realised_low or 0.0), frame.y(point.realised_high or 0.0)
        yield f'<path class="realised-bar" d="M{x} {low}V{high}"/>'
        kind = "realised-dot" if point.maturity >= _MATURE else "realised-dot young"
        text = (
            f"{when(point.start)}: {loss(point.realised)} ({loss(point.realised_low)} to "
            f"{loss(point.realised_high)}), {number(point.labelled)} of {number(point.rows)} "
            "labelled"
        )
        yield f'<circle class="{kind}" cx="{x}" cy="{frame.y(point.realised)}" r="{radius}">'
        yield f"<title>{escape(text)}</title></circle>"


def _marks(frame: _Frame, marks: Sequence[Mark]) -> Iterator[str]:
    end = frame.start + frame.x.high * frame.block
    inside = [mark for mark in marks if frame.start - frame.block <= mark.at <= end]
    places = [(max(frame.at(mark.at), float(_LEFT)), mark) for mark in dict.fromkeys(inside)]
    places.sort(key=lambda one: one[0])
    versions = [one for one in places if one[1].kind == "version"]
    ends = [x for x, _ in versions[1:]] + [frame.right]
    for (x, mark), following in zip(versions, ends, strict=False):
        room = following - x
        yield f'<path class="mark-version" d="M{x} 12V{frame.floor}"/>'
        if room > 22:
            yield f'<text class="mark-text" x="{x + 4:.1f}" y="20">{escape(mark.text)}</text>'
    for x, mark in places:
        if mark.kind == "finding":
            y = frame.floor
            yield f'<path class="mark-finding" d="M{x} {_TOP}V{y}"/>'
            yield f'<path class="mark-flag" d="M{x} {_TOP - 8}l5 9h-10z">'
            yield f"<title>{escape(when(mark.at))}: {escape(mark.text)}</title></path>"


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _svg(kind: str, width: int, height: int, title: str, text: str, body: str) -> Markup:
    # Numbers and escaped text only; the label is the name of the image for those who listen.
    return Markup(  # noqa: S704
        f'<svg class="chart {kind}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title)}. {escape(text)}">'
        f"<title>{escape(title)}</title><desc>{escape(text)}</desc>{body}</svg>"
    )
