"""What really was, known with all labels of the history: for judging pages and delays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import polars as pl

from holdfast.loop.replay.results import Harm, Truth
from holdfast.records import Finding

LEAST_LABELS = 30
STANDARD_ERRORS = 3.0
_JUDGED = ("realised_loss", "estimated_loss")

__all__ = ["Judged", "Level", "harms", "judge", "matched"]


class Level(NamedTuple):
    """What the loss of a version is held against.

    Args:
        tolerated: mean loss up to which nobody is woken.
        spread: standard deviation between days of the mean loss, beyond that of sampling.
    """

    tolerated: float
    spread: float


class Judged(NamedTuple):
    """Whether a page was right, and by which loss and labels."""

    truth: Truth
    loss: float | None
    labels: int


def judge(finding: Finding, known: pl.DataFrame, level: Level, block: timedelta) -> Judged:
    """Whether the loss of which a page speaks really was above what is tolerated.

    Args:
        finding: what pages.
        known: labelled predictions: ``at``, ``version`` and ``own`` (loss in the version's scale).
        level: of the version.
        block: least length of what is looked at.
    """
    end = max(finding.at, finding.since + block)
    part = known.filter(
        (pl.col("version") == finding.version) & pl.col("at").is_between(finding.since, end)
    )
    mean = part["own"].mean()
    loss = float(mean) if isinstance(mean, int | float) else None
    if loss is None or part.height < LEAST_LABELS:
        return Judged("unknown", loss, part.height)
    if loss > level.tolerated:
        return Judged("true", loss, part.height)
    return Judged("false" if finding.kind in _JUDGED else "unknown", loss, part.height)


def harms(known: pl.DataFrame, level: Level, begin: datetime, block: timedelta) -> tuple[Harm, ...]:
    """The stretches of blocks in which the loss really was above what is tolerated.

    All versions are held against the first one's level: a version that was made in bad times
    tolerates bad times.

    The excess of each block over the tolerated loss is added up and starts anew at zero (Page's
    CUSUM, Biometrika 41, 1954); a stretch goes from where the sum rose above zero to its peak, and
    counts when the peak is more than three standard errors: those of the losses within the blocks,
    and of how much days of the reference differ anyway.

    Args:
        known: labelled predictions: ``at`` and ``loss`` (in the scale of the first version).
        level: of the first version.
        begin: start of the first block.
        block: length of a block.
    """
    if not known.height:
        return ()
    micros = block // timedelta(microseconds=1)
    blocks = (
        known.with_columns(
            block=(pl.col("at") - begin).dt.total_microseconds() // micros,
        )
        .group_by("block")
        .agg(
            n=pl.len(), loss=pl.col("loss").sum(), limit=pl.len() * level.tolerated,
            noise=pl.col("loss").var(ddof=0) * pl.len() + (level.spread * pl.len()) ** 2,
        )
        .sort("block")
    )  # fmt: skip
    return tuple(_harm(blocks[found], begin, block) for found in _stretches(blocks))


def matched(found: Sequence[Harm], signs: Sequence[tuple[datetime, str]]) -> tuple[Harm, ...]:
    """The harms with the first sign within each.

    Args:
        found: of :func:`harms`.
        signs: time and kind of each page, training and rollback.
    """
    result = []
    for harm in found:
        within = sorted(one for one in signs if harm.start <= one[0] <= harm.end)
        if not within:
            result.append(harm)
            continue
        at, kind = within[0]
        fields = {name: getattr(harm, name) for name in harm.__struct_fields__}
        delay = (at - harm.start).total_seconds() / 3600
        fields |= {"found_at": at, "found_by": kind, "delay_hours": round(delay, 3)}
        result.append(Harm(**fields))
    return tuple(result)


def _stretches(blocks: pl.DataFrame) -> list[slice]:
    excess = (blocks["loss"] - blocks["limit"]).to_numpy()
    noise = np.cumsum(blocks["noise"].to_numpy())
    result, start, total, peak, top = [], 0, 0.0, -1, 0.0

    def close() -> None:
        if peak >= 0:
            before = noise[start - 1] if start else 0.0
            if top > STANDARD_ERRORS * float(np.sqrt(noise[peak] - before)):
                result.append(slice(start, peak + 1))

    for place, one in enumerate(excess):
        total += float(one)
        if total <= 0:
            close()
            start, total, peak, top = place + 1, 0.0, -1, 0.0
        elif total > top:
            peak, top = place, total
    close()
    return result


def _harm(blocks: pl.DataFrame, begin: datetime, block: timedelta) -> Harm:
    n = int(blocks["n"].sum())
    return Harm(
        start=begin + int(blocks["block"][0]) * block,
        end=begin + (int(blocks["block"][-1]) + 1) * block,
        loss=float(blocks["loss"].sum()) / n,
        tolerated=float(blocks["limit"].sum()) / n,
        labels=n,
    )
