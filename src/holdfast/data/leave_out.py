"""Leaves rows out whose inputs were known to be broken."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import polars as pl

from holdfast.records import Spell


def leave_out(
    frame: pl.DataFrame, time: str, spells: Sequence[Spell]
) -> tuple[pl.DataFrame, tuple[Spell, ...]]:
    """The rows outside of some spells, and the spells that had any, with how many.

    Args:
        frame: rows of :func:`holdfast.data.sources.read`.
        time: the column of prediction times.
        spells: that do not overlap.
    """
    found = []
    for spell in spells:
        within = frame[time].is_between(spell.start, spell.end, closed="left")
        rows = int(within.sum())
        if rows:
            found.append(msgspec.structs.replace(spell, rows=rows))
            frame = frame.filter(~within)
    return frame, tuple(found)
