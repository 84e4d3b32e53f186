"""What came in while the inputs were broken says nothing of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from holdfast.monitoring.estimate import Estimate
from holdfast.records import Spell


def whole(known: pl.DataFrame, broken: Sequence[Spell]) -> pl.DataFrame:
    """The outcomes of predictions whose inputs were not broken."""
    for spell in broken:
        known = known.filter(~pl.col("at").is_between(spell.start, spell.end, closed="left"))
    return known


def sound(
    estimates: Sequence[Estimate], starts: Sequence[datetime], broken: Sequence[Spell]
) -> tuple[Estimate, ...]:
    """The estimates of blocks, but none for blocks of broken inputs."""
    return tuple(
        replace(one, value=None) if any(s.start <= start < s.end for s in broken) else one
        for one, start in zip(estimates, starts, strict=True)
    )
