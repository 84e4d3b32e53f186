import math
from datetime import UTC, datetime
from typing import Any

import pytest

from holdfast.control.evidence import sentences
from holdfast.records import Evidence, Release, ReleaseState

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def told(previous: int | None = 1, **facts: Any) -> str:
    release = Release(
        id="r", model="m", version=2, previous=previous, plan=(), state=ReleaseState.CANARY,
        started_at=NOW, step_at=NOW, actor="a", evidence=Evidence(**facts),
    )  # fmt: skip
    return " ".join(sentences(release, 0.05))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"previous": None}, "first version"),
        ({}, "No row has been answered by both version 2 and version 1 yet."),
        ({"pairs": 10}, "None of these rows has a label yet."),
        ({"pairs": 10}, "Neither has failed"),
        ({"pairs": 10, "errors": 1}, "It failed to answer 1 row; version 1 failed on 0 rows."),
        ({"pairs": 10, "errors": 9, "log_e_errors": math.log(30)},
         "(e-value 30 that it fails more often; 80 would stop the release)"),
        ({"pairs": 10, "labelled": 5, "loss_difference": 0.01}, "0.010 higher than that of"),
        ({"pairs": 10, "labelled": 5, "loss_difference": -1e-6}, "the same as that of version 1"),
        ({"pairs": 10, "labelled": 5, "log_e_fine": 3.1}, "shown not to be worse by the margin"),
        ({"pairs": 10, "latency_p99": 0.0123}, "at most 12 ms"),
        ({"pairs": 10, "breach": "The input 'x' is always 0."}, "The input 'x' is always 0."),
        ({"pairs": 10, "log_e_disagree": 900.0}, "e-value over 1,000 that"),
    ],
)  # fmt: skip
def test_each_fact_is_a_sentence(facts: dict[str, Any], expected: str) -> None:
    assert expected in told(**facts)
