"""Jobs get the environment that the user gave, whatever the processes around them have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given as example
from hypothesis import strategies as st

from holdfast.loop.jobs import environment
from holdfast.loop.threads import few, given

NAMES = st.sampled_from(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "HOME", "MKL_NUM_THREADS"])


@example(st.dictionaries(NAMES, st.sampled_from(["1", "2", ""])))
def test_what_was_added_is_taken_away_again(chosen: dict[str, str]) -> None:
    made = few(chosen)
    assert chosen.items() <= made.items()
    assert given(made) == chosen
    assert given(few(made)) == chosen  # 'up' starts 'control', which does the same


def test_a_job_may_use_all_cores(untrained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name, value in few({}).items():
        monkeypatch.setenv(name, value)
    made = environment(untrained.container)
    assert "OMP_NUM_THREADS" not in made
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("HOLDFAST_FEW_THREADS", "OPENBLAS_NUM_THREADS")
    assert environment(untrained.container)["OMP_NUM_THREADS"] == "3"
