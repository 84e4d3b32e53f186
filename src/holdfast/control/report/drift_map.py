"""The map of drift: a line a column, a cell a stretch of time, darker the further it moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from holdfast.control.axes import TIME_STEPS
from holdfast.control.charts import svg
from holdfast.control.report.drawings import Axis
from holdfast.control.report.numbers import ColumnDrift, DriftBlock
from holdfast.control.words import loss, when

ROW = 22
SHADES = (0.5, 1.0, 1.5, 2.0)
"""Where shades begin, in multiples of what is usual."""


def drift_map(
    columns: Sequence[ColumnDrift],
    start: datetime,
    end: datetime,
    block: timedelta,
    changes: Sequence[datetime],
    width: int,
) -> Markup:
    """Effect of each block over what is usual: grey, and red where it was shown to have moved.

    Args:
        columns: at least one.
        start: of the window.
        end: the first moment after it.
        block: length of a block.
        changes: when another version went live.
        width: of the drawing; where blocks are too narrow to see, the furthest of several stands
            for them.
    """
    left = 140 if width > 600 else 104
    axis = Axis(start, end, left, width - 10)
    length = _length(axis, block)
    room = left // 8 + 1
    parts = []
    for place, column in enumerate(columns):
        y = place * ROW
        name = _label(column, room)
        parts.append(
            f'<text class="axis end" x="{left - 8}" y="{y + 15}">'
            f"<title>{escape(column.name)}</title>{escape(name)}</text>"
        )
        parts += [_cell(axis, one, y) for one in _merged(column.blocks, start, length)]
    floor = len(columns) * ROW
    parts += [
        f'<path class="mark-version" d="M{axis(at)} 0V{floor}"/>' for at in changes if at > start
    ]
    parts += axis.ticks(floor)
    moved = [column.name for column in columns if column.moved]
    text = f"{len(columns)} columns; shown to have moved: {', '.join(moved) or 'none'}"
    return svg("full map", width, floor + 26, "Drift over time", text, "".join(parts))


def _label(column: ColumnDrift, room: int) -> str:
    """The name of a line; of slices the value shows, whatever there is room for."""
    value = column.slice.partition("=")[2]
    tail = f" · {value[: room // 2 - 2]}" if value else ""
    left = room - len(tail)
    name = column.column if len(column.column) < left else f"{column.column[: left - 2]}…"
    return f"{name}{tail}"


def _length(axis: Axis, block: timedelta) -> timedelta:
    """Time of one cell, of at least four units of the drawing."""
    most = (axis.right - axis.left) / 4
    for step in (block, *TIME_STEPS):
        if not step % block and (axis.end - axis.start) / step <= most:
            return step
    return block


def _merged(blocks: Sequence[DriftBlock], start: datetime, length: timedelta) -> list[DriftBlock]:
    """The block that stands for each stretch: one that moved, then the furthest."""
    stretches: dict[tuple[int, int], list[DriftBlock]] = {}
    for one in blocks:
        stretches.setdefault((one.version, (one.start - start) // length), []).append(one)
    result = []
    for part in stretches.values():
        furthest = max(part, key=lambda one: (one.moved, _ratio(one)))
        result.append(replace(furthest, start=part[0].start, end=part[-1].end))
    return result


def _ratio(one: DriftBlock) -> float:
    return -1.0 if one.effect is None else one.effect / max(one.floor, 1e-9)


def _cell(axis: Axis, one: DriftBlock, y: int) -> str:
    left = axis(one.start)
    wide = max(axis(one.end) - left - 0.6, 1.0)
    if one.effect is None:
        kind, said = "unknown", f"not enough data ({one.rows} rows)"
    else:
        shade = sum(_ratio(one) >= edge for edge in SHADES)
        kind = f"{'moved' if one.moved else 'still'} shade-{shade}"
        said = (
            f"{loss(one.effect)} ({loss(one.low)} to {loss(one.high)}), up to {loss(one.floor)} "
            f"is usual{'; shown to have moved' if one.moved else ''}"
        )
    return (
        f'<rect class="{kind}" x="{left}" y="{y + 2}" width="{wide:.1f}" height="{ROW - 4}">'
        f"<title>{when(one.start)}, version {one.version}: {said}</title></rect>"
    )
