"""Charts as inline SVG, drawn on the server: they need no script and print as they are seen.

Colours come from the style sheet by class. Every chart has a title and a description; the numbers
behind it stand in a table beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from holdfast.control.axes import Scale, runs
from holdfast.control.words import loss, number


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
    return svg("spark", width, height, what, text, f'<g class="bars">{bars}</g>')


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
            parts.append(f'<polyline class="line" points="{points_of(points)}"/>')
    return svg("trend", width, height, what, f"{what}, {len(values)} blocks", "".join(parts))


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
    return svg("effect", width, height, what, f"{said}; {loss(floor)} is usual", "".join(parts))


def points_of(points: Sequence[tuple[float, float]]) -> str:
    """Places in the form of a polyline.

    >>> points_of([(1.5, 2), (3, 4)])
    '1.5,2 3,4'
    """
    return " ".join(f"{x},{y}" for x, y in points)


def svg(kind: str, width: int, height: int, title: str, text: str, body: str) -> Markup:
    """A whole drawing; ``body`` must be escaped already."""
    # Numbers and escaped text only; the label is the name of the image for those who listen.
    return Markup(  # noqa: S704
        f'<svg class="chart {kind}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(title)}. {escape(text)}">'
        f"<title>{escape(title)}</title><desc>{escape(text)}</desc>{body}</svg>"
    )
