"""An incident of quality outlives the version it began with, until the loss is back where it was.

A version that was retrained soon after a change is tried on rows of the change itself. It may be
bad on them, learn that as its own reference, and tolerate it: the loop would go quiet on a loss
that nobody agreed to. So the level that was tolerated when the incident began is carried over to
what goes live next, as long as that would tolerate more. It ends with the incident: when the loss
is measured to be back within it, or when somebody closes the incident and so accepts the loss.

A loss above the level keeps the incident open and calls for retrainings. It takes nothing back: a
version that does as its own held-out rows promised is no worse than the one before.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import polars as pl

from holdfast.monitoring.findings import day, finding_id
from holdfast.monitoring.loss_monitor import monitor_loss, tolerated
from holdfast.records import Finding, Reference
from holdfast.records.finding import HELD
from holdfast.spec import Monitor

BLOCKS = 3
"""Newest blocks whose labels must show that the loss is back."""


class Held(NamedTuple):
    """How the loss stands to the level that was carried over.

    Args:
        finding: that it is above; None while that is not shown.
        back: whether it is back within.
    """

    finding: Finding | None
    back: bool


def outlives(level: float | None, reference: Reference, policy: Monitor, *, again: bool) -> bool:
    """Whether an incident stays open when another version goes live.

    Args:
        level: the loss that was tolerated when it began; None when it was not about measured loss.
        reference: of what goes live.
        policy: ``[monitor]``.
        again: whether that is the version it began with, come back.
    """
    return level is not None and (again or tolerated(reference, policy) > level)


def hold(
    known: pl.DataFrame,
    level: float,
    reference: Reference,
    policy: Monitor,
    *,
    model: str,
    version: int,
    since: datetime,
    until: datetime,
) -> Held:
    """Holds the measured loss against the level that was carried over.

    Args:
        known: what :func:`holdfast.monitoring.quality.labelled` made of the outcomes.
        level: the loss that was tolerated when the incident began.
        reference: of the live version, for how much days differ.
        policy: tolerance, budget of pages, length of a block, fewest rows.
        model: whose predictions they are.
        version: whose predictions they are.
        since: start of the first block.
        until: end of what is looked at.
    """
    usual = level - policy.tolerance
    before = msgspec.structs.replace(reference, loss=usual, loss_low=usual, loss_high=usual)
    found = monitor_loss(
        known, before, policy, model=model, version=version, since=since, until=until
    ).open
    if found is None:
        return Held(None, _back(known, level, policy, since, until))
    assert found.value is not None
    said = (
        f"The measured loss of version {version} has been {found.value:.3f} ({found.low:.3f} to"
        f" {found.high:.3f}) since {day(found.since)}, and up to {level:.3f} was tolerated when the"
        " incident began. It stays open until the loss is back there, or somebody closes it and so"
        " accepts the loss."
    )
    id_ = finding_id(model, version, "realised_loss", HELD, found.since)
    changes = {"id": id_, "subject": HELD, "sentence": said, "reference": level}
    return Held(msgspec.structs.replace(found, **changes), back=False)


def _back(
    known: pl.DataFrame, level: float, policy: Monitor, since: datetime, until: datetime
) -> bool:
    """Whether the newest labels have a mean within the level: of some blocks, and enough."""
    length: timedelta = BLOCKS * policy.block
    if until - since < length or known.height < policy.minimum:
        return False
    recent = known.filter(pl.col("label_at") >= until - length)
    losses = (recent if recent.height >= policy.minimum else known.tail(policy.minimum))["loss"]
    return float(losses.to_numpy().mean()) <= level
