"""The plan: the steps a version takes before it is live."""

from __future__ import annotations

from holdfast.records import Step
from holdfast.spec import Release as Policy


def plan(policy: Policy) -> tuple[Step, ...]:
    """The steps of a strategy.

    Args:
        policy: the ``[release]`` section.

    Returns:
        No step for ``direct``; one off the request path for ``shadow``; one a share for
        ``canary``; for ``blue_green`` one off the path, then all traffic at once, while the old
        version goes on scoring the same rows beside it.

    >>> [step.weight for step in plan(Policy(steps=(0.1, 0.5)))]
    [0.1, 0.5]
    >>> plan(Policy(strategy="direct"))
    ()
    """
    if policy.strategy == "direct":
        return ()
    if policy.strategy == "shadow":
        return (Step(kind="shadow"),)
    if policy.strategy == "blue_green":
        return (Step(kind="shadow"), Step(kind="canary", weight=1.0))
    return tuple(Step(kind="canary", weight=weight) for weight in policy.steps)
