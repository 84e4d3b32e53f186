from __future__ import annotations

import pytest

from holdfast.gate.size import check_size
from holdfast.spec import Gate

LIMITS = Gate(metric="roc_auc", max_size="2MiB")


@pytest.mark.parametrize(
    ("size", "outcome", "said"),
    [(2 * 2**20, "pass", "2.0 MiB"), (2 * 2**20 + 1, "fail", "2.0 MiB"), (900, "pass", "900 B"),
     (3 * 2**30, "fail", "3.0 GiB")],
)  # fmt: skip
def test_size(make, size, outcome, said):
    check = check_size(make(size=size), LIMITS)
    assert check.outcome == outcome
    assert check.sentence == f"the bundle is {said}; at most 2MiB is allowed"


def test_not_measured_is_inconclusive(make):
    assert check_size(make(), LIMITS).outcome == "inconclusive"


def test_no_limit_no_check(make):
    assert check_size(make(size=1), Gate(metric="roc_auc")) is None
