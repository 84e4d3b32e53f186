"""Drift of each column in the last block, from the last look, for the page of a model.

Of slices only what moved, or may have: they are many, and most say what all rows say.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.control.charts import effect_bar, trend
from holdfast.control.panels import Badge, DriftLine, DriftPanel
from holdfast.control.seen import SeenDrift, SeenLook
from holdfast.control.words import number
from holdfast.spec import Monitor

MEASURES = {"rank_wasserstein": "rank distance", "total_variation": "share of rows"}


def drift(look: SeenLook | None, policy: Monitor) -> DriftPanel:
    """Drift by column in the last complete block, what moved first, then by what is usual."""
    if look is None or not look.starts:
        return DriftPanel(
            minimum=policy.minimum, empty="No complete block of predictions has been seen yet."
        )
    every = [*look.drift, *look.sliced]
    highs = [value for one in every for value in one.high[-1:] if value is not None]
    floors = [value for one in look.drift for value in one.floors[-1:]]
    top = max([0.25, *(1.1 * value for value in highs), *(1.2 * value for value in floors)])
    parts = [_line(one, min(top, 1.0)) for one in look.sliced]
    parts = [line for line in parts if line.verdict.tone in ("bad", "warn")]
    lines = [*(_line(one, min(top, 1.0)) for one in look.drift), *parts]
    rank = {"bad": 0, "warn": 1, "good": 2, "quiet": 3}
    lines.sort(key=lambda line: line.column != "prediction")
    lines.sort(key=lambda line: (rank.get(line.verdict.tone, 4), -_against_usual(line)))
    return DriftPanel(
        lines=tuple(lines), until=look.until, minimum=policy.minimum, season=look.season,
        slices=look.slices, quiet=not any(line.verdict.tone == "bad" for line in parts),
    )  # fmt: skip


def _against_usual(line: DriftLine) -> float:
    return (line.effect or 0.0) / max(line.floor, 1e-9)


def _line(one: SeenDrift, top: float) -> DriftLine:
    effect, low, high = _last(one.effect), _last(one.low), _last(one.high)
    rows = one.rows[-1] if one.rows else 0
    floor = _last(one.floors) or 0.0
    moved = bool(one.declared and one.declared[-1])
    name = f"{one.column} where {one.slice}" if one.slice else one.column
    return DriftLine(
        column=one.column,
        slice=one.slice,
        measure=MEASURES.get(one.measure, one.measure),
        rows=rows,
        effect=effect,
        low=low,
        high=high,
        floor=floor,
        harm=_last(one.harm),
        verdict=_verdict(effect, low, floor, rows, moved=moved),
        bar=effect_bar(effect, low, high, floor, top, moved=moved, what=f"Effect of {name}"),
        trend=trend(one.effect[-60:], floor, top, f"Effect of {name} over time")
        if any(value is not None for value in one.effect)
        else None,
    )


def _verdict(
    effect: float | None, low: float | None, floor: float, rows: int, *, moved: bool
) -> Badge:
    if effect is None:
        return Badge(f"not enough data ({number(rows)} rows)")
    if moved:
        return Badge("moved", "bad")
    if low is not None and low > floor:
        return Badge("moving, not yet sure", "warn")
    return Badge("as before", "good")


def _last(values: Sequence[float | None]) -> float | None:
    return values[-1] if values else None
