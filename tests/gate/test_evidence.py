from __future__ import annotations

import numpy as np
import pytest

from holdfast.errors import GateError


@pytest.mark.parametrize(
    "given",
    [
        {"score": np.zeros(3)},
        {"champion_score": np.zeros(3)},
        {"slices": {"origin": np.array(["a"])}},
        {"time": np.zeros(3)},
        {"champion": None},
        {"champion_score": None},
    ],
)
def test_evidence_that_does_not_fit_together(make, given):
    with pytest.raises(GateError) as error:
        make(**given)
    assert error.value.code == "gate.evidence"


def test_no_rows(make):
    none = np.zeros(0)
    with pytest.raises(GateError, match="no held-out rows"):
        make(truth=none, score=none, champion_score=none)
