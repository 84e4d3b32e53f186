"""The first use of a record or a spec by several threads at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys, threading
sys.setswitchinterval(1e-6)
from holdfast.records import Release
from holdfast.spec import parse_spec

SPEC = '''
[model]
name = "tiny"
task = "binary"
train = "tiny:train"
[data]
source = "x.csv"
time = "at"
label = "bad"
features = ["size"]
[gate]
metric = "roc_auc"
'''
RELEASE = '''{"id": "a", "model": "m", "version": 1, "previous": null, "state": "canary",
"plan": [{"kind": "canary"}], "started_at": "2026-03-02T12:00:00Z", "actor": "x",
"step_at": "2026-03-02T12:00:00Z", "evidence": {"pairs": 3}}'''
barrier, done = threading.Barrier(8), []

def use():
    barrier.wait()
    done.append(parse_spec(SPEC) if sys.argv[1] == "spec" else Release.from_json(RELEASE))

threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(done) == 8
"""


@pytest.mark.parametrize("what", ["spec", "record"])
def test_threads_may_use_it_first_at_once(what: str) -> None:
    """A fifth of such runs crashed the interpreter while msgspec learned classes on first use."""
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", CODE, what], timeout=120, check=False)
        assert done.returncode == 0
