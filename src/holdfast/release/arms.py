"""What the servers must do for a release in its present state."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from holdfast.errors import ConflictError
from holdfast.records import Arm, Release, ReleaseState

_ONLY_OLD = (
    ReleaseState.PENDING,
    ReleaseState.ABORTED,
    ReleaseState.INCONCLUSIVE,
    ReleaseState.ROLLED_BACK,
)
_ONLY_NEW = (ReleaseState.WATCHED, ReleaseState.PROMOTED)


class Orders(NamedTuple):
    """The parts of a :class:`Route` that a release decides."""

    arms: tuple[Arm, ...]
    shadow: tuple[Arm, ...] = ()
    resident: tuple[Arm, ...] = ()
    mirror: bool = False


def route_for(release: Release, new: Arm, old: Arm | None) -> Orders:
    """The orders for a release.

    Shadow: the challenger scores every row off the request path. Canary: it answers its step's
    share, and each row is also scored by the arm that did not answer it, so that both are compared
    on the same rows. Live: the old version stays loaded, for an instant rollback.

    Args:
        release: its state and step decide; weights of the arms given are ignored.
        new: the version of the release.
        old: the version that was live when it began; None for the first version of a model.

    Raises:
        ConflictError: when a version before it is needed and there is none, or another release
            has taken the route over.
    """
    state = release.state
    if state in _ONLY_NEW:
        return Orders((_share(new, 1.0),), resident=(_share(old, 0.0),) if old else ())
    if state == ReleaseState.SUPERSEDED:
        raise ConflictError(
            "release.superseded",
            f"release {release.id} no longer decides the route of '{release.model}'",
            "Use the release that is live now.",
        )
    if old is None:
        raise ConflictError(
            "release.nothing_before",
            f"'{release.model}' had no version before {release.version} that could answer",
            "Release another version.",
        )
    if state in _ONLY_OLD:
        return Orders((_share(old, 1.0),))
    step = release.plan[release.step]
    if state == ReleaseState.SHADOW:
        return Orders((_share(old, 1.0),), shadow=(_share(new, 0.0),))
    return Orders((_share(old, 1.0 - step.weight), _share(new, step.weight)), mirror=True)


def _share(arm: Arm, weight: float) -> Arm:
    return msgspec.structs.replace(arm, weight=weight)
