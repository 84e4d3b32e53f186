"""Memory of a whole installation at rest: every process of ``holdfast up`` with one model."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import psutil
from fixture import Project, Up, example
from options import Options
from processes import call, family, pss
from report import Report, Row, Table

SETTLE = 20.0


def measure(options: Options, work: Path) -> Report:
    """PSS by process; the machine's page cache is shared out, so that the sum is honest."""
    project = Project(work / "memory", "train_trees")
    project.train()
    project.release(1)
    found: dict[str, list[float | None]] = {}
    with project.up() as up:
        call(up.port, "POST", "/invocations", {"dataframe_records": [example()]})
        for _ in range(options.rounds):
            time.sleep(options.seconds(SETTLE) if not found else 1.0)
            for name, value in _by_process(up).items():
                found.setdefault(name, []).append(value)
    rows = [Row(name, values) for name, values in found.items()]
    total = [sum(values) for values in zip(*(row.sound for row in rows), strict=True)]
    rows.append(Row("all together", list(total)))
    return Report(
        name="memory",
        about="Proportional set size of every process of `holdfast up`, one model live, at rest.",
        tables=[Table(title="processes", unit="MB", rows=rows)],
        notes=[f"Measured from {SETTLE:.0f} seconds after the first answer. Aim: under 400 MB."],
    )


def _by_process(up: Up) -> dict[str, float]:
    found = {}
    for process in family(up.pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            found[_name(process, up)] = pss(process.pid)
    return found


def _name(process: psutil.Process, up: Up) -> str:
    words = process.cmdline()
    if process.pid == up.pid:
        return "up (watches the others)"
    if "holdfast.loop.record" in words:
        return "recorder"
    return {"serve": "server", "control": "control plane"}.get(
        next((word for word in words if word in ("serve", "control")), ""), " ".join(words[-2:])
    )
