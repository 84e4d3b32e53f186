"""Jobs get the environment that the user gave, whatever the processes around them have."""

from __future__ import annotations

from pathlib import Path
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


def test_the_projects_code_may_use_all_cores(
    untrained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = untrained.project / "seen.txt"
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for name, value in few({}).items():
        monkeypatch.setenv(name, value)
    untrained.edit(
        "def load():\n",
        f"def load():\n    import os\n    chosen = os.environ.get('OMP_NUM_THREADS', 'all')\n"
        f"    open({str(seen)!r}, 'w').write(chosen)\n",
        "tiny.py",
    )
    container = untrained.container
    code = container.user_code(container.project_spec(), tmp_path / "log", {})
    code.load("tiny:load")
    assert seen.read_text() == "all"
    assert environment(container)["OMP_NUM_THREADS"] == "1"
