"""What the rules must know beside the release, its evidence and its policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import log

from holdfast.spec import Release as Policy

ABORT_TESTS = 4
"""Errors, latency, disagreement and loss may each stop a release."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The situation of a release.

    Args:
        alpha: accepted rate of releases that are stopped for nothing, and of releases that go live
            although they are worse by the margin (``[gate] alpha``).
        minimum: fewest pairs a step must see (``[monitor] minimum``).
        step_pairs: pairs since the present step began.
        labels: whether labels come within the time a step may take; see :func:`labels_in_time`.
        live: the version that answers when no release runs; None when unknown.
        stop: why a decision or a person wants this release taken back; empty when none does.
        paused: why a person halted the loop of this model; empty when nobody did.
        frozen: the freeze window that holds now; empty when none does.
        max_latency: longest 99th percentile of the challenger's time, in seconds.
    """

    alpha: float = 0.05
    minimum: int = 200
    step_pairs: int = 0
    labels: bool = True
    live: int | None = None
    stop: str = ""
    paused: str = ""
    frozen: str = ""
    max_latency: float | None = None

    @property
    def abort_at(self) -> float:
        """Log e-value at which one of the four tests stops a release.

        Each gets a quarter of alpha (Bonferroni). All four are e-processes over the whole release,
        so the chance that a version as good as the champion is ever stopped is at most alpha,
        however many steps there are and however often anyone looks.

        >>> round(Context(alpha=0.05).abort_at, 2)
        4.38
        """
        return log(ABORT_TESTS / self.alpha)

    @property
    def doubt_at(self) -> float:
        """Log e-value at which a step is held: half way to a stop."""
        return self.abort_at / 2

    @property
    def fine_at(self) -> float:
        """Log e-value at which the challenger is shown to be not worse by the margin."""
        return log(1 / self.alpha)


def labels_in_time(policy: Policy, label_delay: timedelta | None) -> bool:
    """Whether the last step can wait for labels: they take less than half of ``max_step``.

    Args:
        policy: the ``[release]`` section.
        label_delay: how long labels usually take; None when no labels come.

    >>> labels_in_time(Policy(), timedelta(hours=6)), labels_in_time(Policy(), timedelta(days=30))
    (True, False)
    """
    return label_delay is not None and label_delay * 2 < policy.max_step
