"""Fault points end the process that was told so, and cost nobody else anything."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.ports import faults
from holdfast.store.database import Database
from holdfast.store.store import Store

WRITE = """
import sys
from holdfast.ports import faults
from holdfast.store.database import Database
from holdfast.store.store import Store
store = Store(Database(sys.argv[1]))
with faults.step("alias.move"):
    print("moved", flush=True)
with store.begin("release.move") as tx:
    store.leases.acquire(tx, "x", "me", __import__("datetime").timedelta(1),
                         __import__("datetime").datetime(2026, 1, 1,
                         tzinfo=__import__("datetime").UTC))
print("done", flush=True)
"""


@pytest.mark.parametrize(
    ("point", "said", "kept"),
    [
        ("", ["moved", "done"], True),
        ("release.start.after", ["moved", "done"], True),
        ("alias.move.before", [], False),
        ("alias.move.after", ["moved"], False),
        ("release.move.before", ["moved"], False),
        ("release.move.after", ["moved"], True),
    ],
)
def test_it_dies_there_and_nowhere_else(
    tmp_path: Path, point: str, said: list[str], kept: bool
) -> None:
    url = f"sqlite:///{tmp_path / 'holdfast.db'}"
    store = Store(Database(url))
    store.migrate()
    done = subprocess.run(
        [sys.executable, "-c", WRITE, url], env={"HOLDFAST_FAULT": point}, capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == said, done.stderr
    assert done.returncode == (0 if "done" in said else -signal.SIGKILL)
    with store.read() as tx:
        assert (store.leases.last(tx, "x") is not None) == kept
    store.close()


def test_it_is_off_unless_told() -> None:
    for point in faults.POINTS:
        faults.reach(*point.rsplit(".", 1))
    assert len(set(faults.POINTS)) == 2 * len(faults.STEPS)
