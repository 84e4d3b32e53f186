"""The charts of a report as inline SVG; colours come from the style sheet by class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from holdfast.control.axes import Scale, nice_ticks, tick_text, time_text, time_ticks
from holdfast.control.charts import svg
from holdfast.control.report.hindsight import agrees
from holdfast.control.report.numbers import Bar, SliceQuality
from holdfast.control.series import QualityPoint
from holdfast.control.words import loss, number, share, spelled, when

_EDGE = 10


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in a lane.

    Args:
        text: what stands in it; ``told`` is shown when it is pointed at.
        tone: class of its colour.
    """

    start: datetime
    end: datetime
    text: str
    told: str
    tone: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Time from left to right."""

    start: datetime
    end: datetime
    left: float
    right: float

    def __call__(self, time: datetime) -> float:
        """The place of a time; of one outside, the nearer end."""
        scale = Scale(0, (self.end - self.start).total_seconds(), self.left, self.right)
        return scale((min(max(time, self.start), self.end) - self.start).total_seconds())

    def ticks(self, y: float) -> Iterator[str]:
        """Days or hours below the line at ``y``."""
        times = time_ticks(self.start, self.end, max(round((self.right - self.left) / 95), 2))
        for time in times:
            x = self(time)
            if x > self.right - 16:
                continue
            anchor = "start" if x < self.left + 16 else "middle"
            yield f'<path class="grid" d="M{x} {y}v5"/>'
            text = time_text(time, times)
            yield f'<text class="axis {anchor}" x="{x}" y="{y + 19:.1f}">{text}</text>'


def lanes(
    start: datetime, end: datetime, named: Sequence[tuple[str, Sequence[Span]]], width: int
) -> Markup:
    """What was live, what was released and what was wrong, one lane each.

    Args:
        start: of the window.
        end: the first moment after it.
        named: name and spans of each lane; spans that overlap are put in rows below each other.
        width: of the drawing.
    """
    axis = Axis(start, end, 84, width - _EDGE)
    parts: list[str] = []
    y = 6.0
    for name, spans in named:
        rows = _stacked(spans)
        parts.append(f'<text class="axis" x="0" y="{y + 15:.1f}">{escape(name)}</text>')
        for row in rows:
            parts.append(
                f'<rect class="track" x="84" y="{y:.1f}" width="{width - 94}" height="22" rx="3"/>'
            )
            parts += [_span(axis, one, y) for one in row]
            y += 26
        y += 6
    parts += axis.ticks(y)
    text = "; ".join(f"{name}: {', '.join(one.text for one in spans) or 'none'}"
                     for name, spans in named)  # fmt: skip
    return svg("full lanes", width, int(y + 26), "The window at a glance", text, "".join(parts))


def _stacked(spans: Sequence[Span]) -> list[list[Span]]:
    rows: list[list[Span]] = [[]]
    for one in sorted(spans, key=lambda span: span.start):
        free = next((row for row in rows if not row or row[-1].end <= one.start), None)
        if free is None:
            rows.append(free := [])
        free.append(one)
    return rows


def _span(axis: Axis, one: Span, y: float) -> str:
    left = axis(one.start)
    wide = max(axis(one.end) - left, 3.0)
    left = min(left, axis.right - wide)
    words = ""
    if wide > 7.2 * len(one.text) + 8:
        words = f'<text class="in" x="{left + 6:.1f}" y="{y + 15:.1f}">{escape(one.text)}</text>'
    return (
        f'<g class="span {one.tone}"><title>{escape(one.told)}</title>'
        f'<rect x="{left}" y="{y:.1f}" width="{wide:.1f}" height="22" rx="3"/>{words}</g>'
    )


def volume(
    counts: Sequence[tuple[datetime, int]], block: timedelta, width: int, height: int = 150
) -> Markup:
    """Predictions of each block as bars."""
    floor, top = height - 26, 12
    axis = Axis(counts[0][0], counts[-1][0] + block, 52, width - _EDGE)
    ticks = nice_ticks(0, max(count for _, count in counts) * 1.02, 3)
    y = Scale(ticks[0], ticks[-1], floor, top)
    parts = [
        f'<path class="grid" d="M52 {y(tick)}H{axis.right}"/>'
        f'<text class="axis end" x="44" y="{y(tick) + 4:.1f}">{number(round(tick))}</text>'
        for tick in ticks
        if tick == round(tick)
    ]
    wide = (axis.right - axis.left) / len(counts)
    parts += [
        f'<rect class="volume" x="{axis(at) + wide * 0.08:.1f}" y="{y(count)}" '
        f'width="{wide * 0.84:.1f}" height="{floor - y(count):.1f}">'
        f"<title>{when(at)}: {number(count)}</title></rect>"
        for at, count in counts
        if count
    ]
    parts += axis.ticks(floor)
    whole = sum(count for _, count in counts)
    text = f"{number(whole)} in all, each bar {spelled(block)}"
    return svg("full volume", width, height, "Predictions over time", text, "".join(parts))


def agreement(points: Sequence[QualityPoint]) -> Markup:
    """Estimated loss of each block against the measured one; on the line they are the same."""
    width, height, left, floor = 420, 360, 52, 316
    values = [v for p in points for v in (p.estimated_low, p.estimated_high, p.realised_low,
                                          p.realised_high) if v is not None]  # fmt: skip
    low = min(values) if min(values) > 0.5 * max(values) else 0.0
    ticks = nice_ticks(low, max(values), 5)
    x = Scale(ticks[0], ticks[-1], left, width - _EDGE)
    y = Scale(ticks[0], ticks[-1], floor, 10)
    parts = []
    for tick in ticks:
        label = tick_text(tick, ticks)
        parts.append(f'<path class="grid" d="M{left} {y(tick)}H{width - _EDGE}M{x(tick)} 10V316"/>')
        parts.append(f'<text class="axis end" x="44" y="{y(tick) + 4:.1f}">{label}</text>')
        parts.append(f'<text class="axis middle" x="{x(tick)}" y="334">{label}</text>')
    parts.append(f'<path class="same" d="M{left} {floor}L{width - _EDGE} 10"/>')
    for one in points:
        at, up = x(one.estimated or 0.0), y(one.realised or 0.0)
        kind = "agrees" if agrees(one) else "differs"
        told = (
            f"{when(one.start)}, version {one.version}: estimated {loss(one.estimated)} "
            f"({loss(one.estimated_low)} to {loss(one.estimated_high)}), measured "
            f"{loss(one.realised)} ({loss(one.realised_low)} to {loss(one.realised_high)})"
        )
        parts.append(
            f'<g class="{kind}"><title>{escape(told)}</title>'
            f'<path d="M{x(one.estimated_low or 0.0)} {up}H{x(one.estimated_high or 0.0)}'
            f'M{at} {y(one.realised_low or 0.0)}V{y(one.realised_high or 0.0)}"/>'
            f'<circle cx="{at}" cy="{up}" r="3.4"/></g>'
        )
    parts.append('<text class="axis end" x="410" y="354">estimated without labels →</text>')
    parts.append('<text class="axis" x="56" y="22">↑ measured by labels</text>')
    text = f"{len(points)} blocks; {sum(map(agrees, points))} agree within their intervals"
    return svg("agreement", width, height, "Estimates against later truth", text, "".join(parts))


def shape(bars: Sequence[Bar], column: str, *, numeric: bool) -> Markup:
    """Shares of the window as bars, those of the held-out rows as ticks across them."""
    draw = _upright if numeric else _lying
    return draw(bars, f"What came in for {column}")


def _upright(bars: Sequence[Bar], title: str) -> Markup:
    width, height, floor = 330, 130, 108
    top = max([*(bar.window for bar in bars), *(bar.held_out for bar in bars), 1e-9])
    y = Scale(0, top, floor, 8)
    wide = width / len(bars)
    parts = []
    for place, bar in enumerate(bars):
        x = place * wide
        kind = "beyond" if place in (0, len(bars) - 1) else "came"
        parts.append(
            f'<rect class="{kind}" x="{x + 1:.1f}" y="{y(bar.window)}" width="{wide - 2:.1f}" '
            f'height="{floor - y(bar.window):.1f}"><title>{_told(bar)}</title></rect>'
            f'<path class="held" d="M{x + 0.5:.1f} {y(bar.held_out)}h{wide - 1:.1f}"/>'
        )
    parts.append(f'<path class="grid" d="M0 {floor}H{width}"/>')
    inner = bars[1:-1]
    if inner:
        first, last = inner[0].text.split(" to ")[0], inner[-1].text.split(" to ")[-1]
        middle = inner[len(inner) // 2].text.split(" to ")[0]
        places = (
            (wide, "start", first),
            (width / 2, "middle", middle),
            (width - wide, "end", last),
        )
        parts += [f'<text class="axis {how}" x="{x:.1f}" y="124">{escape(text)}</text>'
                  for x, how, text in places]  # fmt: skip
    return svg("shape", width, height, title, _summed(bars), "".join(parts))


def _lying(bars: Sequence[Bar], title: str) -> Markup:
    shown = [bar for bar in bars if bar.window or bar.held_out]
    width, row = 330, 18
    top = max([*(bar.window for bar in shown), *(bar.held_out for bar in shown), 1e-9])
    x = Scale(0, top, 120, width - 4)
    parts = []
    for place, bar in enumerate(shown):
        y = place * row
        name = bar.text if len(bar.text) <= 17 else f"{bar.text[:16]}…"
        kind = "beyond" if bar.text == "never seen before" else "came"
        parts.append(
            f'<text class="axis end" x="112" y="{y + 14}">{escape(name)}</text>'
            f'<rect class="{kind}" x="120" y="{y + 3}" width="{x(bar.window) - 120:.1f}" '
            f'height="{row - 6}"><title>{_told(bar)}</title></rect>'
            f'<path class="held" d="M{x(bar.held_out)} {y + 1}v{row - 2}"/>'
        )
    height = max(row * len(shown) + 4, 24)
    return svg("shape", width, height, title, _summed(shown), "".join(parts))


def _told(bar: Bar) -> Markup:
    return escape(f"{bar.text}: {share(bar.window)}, {share(bar.held_out)} of the held-out rows")


def _summed(bars: Sequence[Bar]) -> str:
    largest = max(bars, key=lambda bar: abs(bar.window - bar.held_out), default=None)
    return "" if largest is None else f"the largest difference: {_told(largest)}"


def slice_bar(one: SliceQuality, top: float) -> Markup:
    """Measured loss of a slice with its interval; the tick is the loss of its held-out rows."""
    width, height = 200, 20
    x = Scale(0, top, 1, width - 5)
    parts = [f'<path class="grid" d="M1 10H{width - 1}"/>']
    if one.held_out is not None:
        parts.append(f'<path class="tick" d="M{x(min(one.held_out, top))} 2v16"/>')
    if one.realised is not None:
        low, high = x(one.realised_low or 0.0), x(min(one.realised_high or 0.0, top))
        parts.append(f'<path class="realised-bar" d="M{low} 10H{high}M{low} 6v8M{high} 6v8"/>')
        parts.append(f'<circle class="realised-dot" cx="{x(one.realised)}" cy="10" r="3.4"/>')
    said = f"{loss(one.realised)} ({loss(one.realised_low)} to {loss(one.realised_high)})"
    what = f"Loss where {one.column} is {one.value}"
    return svg(
        "slice", width, height, what, f"{said}; held-out {loss(one.held_out)}", "".join(parts)
    )
