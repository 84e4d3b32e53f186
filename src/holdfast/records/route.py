"""A route: what the servers must do now for one model."""

from __future__ import annotations

from holdfast.records.base import Record, Time


class Arm(Record, frozen=True, kw_only=True):
    """A version in a route: its bundle, where to fetch it, and its share of the traffic."""

    version: int
    bundle: str
    path: str
    weight: float = 0.0


class Route(Record, frozen=True, kw_only=True):
    """The orders for one model.

    Args:
        epoch: grows by one with every change; servers never go back.
        arms: versions that answer; weights sum to 1.
        shadow: versions that answer off the request path.
        resident: versions kept loaded for an instant rollback.
        mirror: while a release runs, each row is also scored by the arm that did not answer it.
    """

    model: str
    epoch: int
    arms: tuple[Arm, ...]
    shadow: tuple[Arm, ...] = ()
    resident: tuple[Arm, ...] = ()
    mirror: bool = False
    actor: str = ""
    reason: str = ""
    created_at: Time

    @property
    def champion(self) -> Arm:
        """The arm with the largest share; the first of equals."""
        return max(self.arms, key=lambda arm: arm.weight)


class ServerReport(Record, frozen=True, kw_only=True):
    """What a server says it does now; ``epochs`` maps model to the epoch it serves."""

    server: str
    url: str
    pid: int
    epochs: dict[str, int]
    at: Time
    problems: dict[str, str] = {}
    metrics_url: str = ""
