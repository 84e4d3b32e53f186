"""Stints: the times that versions were live, one after another, from the routes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from holdfast.records import Route


class Stint(NamedTuple):
    """One time that a version answered most requests; it may have had others.

    Args:
        until: when another version took over; None while it is live.
    """

    version: int
    since: datetime
    until: datetime | None


def stints(routes: Sequence[Route]) -> tuple[Stint, ...]:
    """The stints of a model, oldest first.

    Args:
        routes: all of them, newest first.
    """
    result: list[Stint] = []
    for route in reversed(routes):
        if result and result[-1].version == route.champion.version:
            continue
        if result:
            result[-1] = result[-1]._replace(until=route.created_at)
        result.append(Stint(route.champion.version, route.created_at, None))
    return tuple(result)
