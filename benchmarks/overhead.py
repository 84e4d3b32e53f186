"""What the loop adds to retraining: a run that does next to nothing, beside plain calls."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import peers
from fixture import HOLDFAST, Project
from options import Options
from processes import PYTHON, timed
from report import Report, Row, Table

HERE = Path(__file__).parent
PEERS = ("prefect", "dagster")
PLAIN = "plain Python"
REMARKS = """\
The plain calls load, fit, compute four metrics, and log and register with the same MLflow store, \
all in one process.
run_train starts two processes for the user's code (load, train), so that it can be limited and \
cannot bring the loop down. It also keeps a dataset version, learns the data contract, compiles \
the model and proves parity, and puts intervals on the metrics.
"""


def measure(options: Options, work: Path) -> Report:
    """Warm: in one process that has done it before. Cold: the whole process."""
    project = Project(work / "overhead", "train_tiny")
    project.train()
    warm, steps = _warm(project, options)
    tables = [
        Table(title="warm, in one process", unit="ms", rows=warm, base=PLAIN_CALLS),
        Table(title="where a warm run_train spends its time", unit="ms", rows=steps),
        Table(title="cold, the whole process", unit="s", rows=_cold(project, options)),
    ]
    more, notes = _peers(options, work)
    return Report(
        name="overhead",
        about="Load 6,000 rows, fit a tiny model, evaluate, register in MLflow on SQLite.",
        tables=[*tables, *more],
        notes=[
            *REMARKS.splitlines(),
            *notes,
        ],
    )


PLAIN_CALLS = "plain calls"


def _warm(project: Project, options: Options) -> tuple[list[Row], list[Row]]:
    """Both in one child, turn by turn, with the project's own MLflow store."""
    count = str(options.count(2 * options.rounds))
    done = subprocess.run(
        [PYTHON, str(HERE / "services" / "warm_run.py"), count], cwd=project.folder,
        env=project.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    rows = [
        Row(PLAIN_CALLS, found["plain"]),
        Row("two processes that import pandas and scikit-learn", found["processes"]),
        Row("run_train", found["holdfast"]),
        Row("run_train without the two processes of user code", found["without"]),
    ]
    return rows, [Row(name, values) for name, values in found["steps"].items()]


def _cold(project: Project, options: Options) -> list[Row]:
    plain = [PYTHON, str(HERE / "services" / "warm_run.py"), "plain"]
    commands = {PLAIN_CALLS: plain, "holdfast train": [*HOLDFAST, "train"]}
    values: dict[str, list[float | None]] = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            values[name].append(timed(command, cwd=project.folder, env=project.env))
    return [Row(name, found) for name, found in values.items()]


def _peers(options: Options, work: Path) -> tuple[list[Table], list[str]]:
    """A pipeline of four steps that do next to nothing, in each product that could be had."""
    pythons, notes = {PLAIN: Path(PYTHON)}, []
    for name in PEERS:
        python, said = peers.environment(name, options)
        notes += said
        if python is not None:
            pythons[name] = python
    if len(pythons) == 1:
        return [], notes
    cold: dict[str, list[float | None]] = {name: [] for name in pythons}
    warm: dict[str, list[float | None]] = {name: [] for name in pythons}
    for _ in range(options.rounds):
        for name, python in pythons.items():
            began = time.perf_counter()
            try:
                out = _pipeline(name, python, work)
            except RuntimeError as error:
                notes.append(f"{name} failed: {str(error).splitlines()[-1]}")
                cold[name].append(None)
                warm[name].append(None)
                continue
            cold[name].append(time.perf_counter() - began)
            warm[name].append(1000 * float(out.splitlines()[-1]))
    title = "four steps that do next to nothing: load, train, evaluate, register"
    return [
        Table(title=f"{title}; cold, the whole process with two runs", unit="s",
              rows=[Row(name, found) for name, found in cold.items()], base=PLAIN),
        Table(title=f"{title}; warm, the second run in a process", unit="ms",
              rows=[Row(name, found) for name, found in warm.items()], base=PLAIN),
    ], [*notes, peers.LEFT_OUT]  # fmt: skip


def _pipeline(name: str, python: Path, work: Path) -> str:
    """Runs it; each product keeps its state in a folder of this run."""
    state = work / f"state-{name}"
    state.mkdir(exist_ok=True)
    script = {PLAIN: "plain"}.get(name, name)
    env = {
        "DAGSTER_HOME": str(state), "PREFECT_HOME": str(state),
        "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR", "DAGSTER_DISABLE_TELEMETRY": "yes",
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }  # fmt: skip
    return peers.run(python, HERE / "peers" / f"{script}_pipeline.py", env=env)
