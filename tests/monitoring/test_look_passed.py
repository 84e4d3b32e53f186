"""Drift that came and went between two looks is found however seldom anybody looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from holdfast.monitoring.drifted import _ends

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("flags", "before", "ends"),
    [
        ("..XX..", None, [5]),
        ("..XX..", 0, [3]),
        ("..XX..", 4, []),
        (".X.X.X", 0, [1, 3]),
        (".X.X.X", 3, [3]),
        ("......", 0, []),
    ],
)
def test_runs_that_ended_since_the_look_before(
    flags: str, before: int | None, ends: list[int]
) -> None:
    until = [START + timedelta(days=k + 1) for k in range(len(flags))]
    moment = None if before is None else START + timedelta(days=before)
    assert list(_ends(np.array([flag == "X" for flag in flags]), until, moment)) == ends
