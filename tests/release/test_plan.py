import pytest

from holdfast.records import Step
from holdfast.release.plan import plan
from holdfast.spec import Release as Policy


@pytest.mark.parametrize(
    ("policy", "steps"),
    [
        (Policy(strategy="direct"), ()),
        (Policy(strategy="shadow"), (Step(kind="shadow"),)),
        (Policy(steps=(0.1,)), (Step(kind="canary", weight=0.1),)),
        (Policy(), tuple(Step(kind="canary", weight=w) for w in (0.05, 0.25, 0.5))),
        (Policy(steps=()), ()),
    ],
)
def test_plan(policy: Policy, steps: tuple[Step, ...]) -> None:
    assert plan(policy) == steps
