"""Overload: what is answered in time when more is asked than can be answered."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import NamedTuple

import load
from fixture import HOLDFAST, Project, example
from open_loop import PATIENCE, Outcome, offer
from options import Options
from processes import free_port, running, wait_for
from report import Report, Row, Table

KINDS = {
    "trees": "compiled: gradient boosting, 100 trees, 50 rows a request",
    "forest": "native: random forest, 100 trees, with a step that has no converter",
}
# One row of a compiled model costs little more than its HTTP, so that the callers on the same
# machine would be saturated first, and to refuse it would cost half of what answering does.
ROWS = {"trees": 50, "forest": 1}
SHARES = (0.5, 0.8, 1.0, 1.5, 2.0, 3.0)
DEADLINE = 0.25
SETTINGS = {
    f"sheds after {DEADLINE:g} s": f"deadline_seconds={DEADLINE:g}",
    "never sheds": "deadline_seconds=3600",
}
CONNECTIONS = 128
WINDOW = 3.0
CONDITIONS = (
    "One worker, callers on the same cores. Capacity is what wrk gets with 128 connections, so "
    "that as much gathers as under overload. The rates are then offered whatever comes back; a "
    "caller hangs up after {:g} s, and only what is answered with 200 before that counts. Refusing "
    "costs the server too: HTTP has to be read to be refused."
)


class Point(NamedTuple):
    """One rate that was offered."""

    setting: str
    share: float


def measure(options: Options, work: Path) -> Report:
    """Both models, with and without shedding, at rates below and above what they can do."""
    if not load.available():
        return Report(name="overload", about="left out", tables=[], notes=[load.MISSING])
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    tables = []
    for kind, title in KINDS.items():
        project = Project(work / kind, f"train_{kind}")
        project.train()
        found: dict[Point, list[Outcome]] = {}
        row = example()
        data = [list(row.values())] * ROWS[kind]
        body = {"dataframe_split": {"columns": list(row), "data": data}}
        capacities = [_round(project, body, work, options, found) for _ in range(options.rounds)]
        tables += _tables(title, capacities, found)
    return Report(
        name="overload",
        about="Offered load against answers in time.",
        tables=tables,
        notes=[CONDITIONS.format(PATIENCE)],
    )


def _round(
    project: Project, body: object, work: Path, options: Options, found: dict[Point, list[Outcome]]
) -> float:
    script, capacity = load.script(work, body), 0.0
    data = json.dumps(body).encode()
    head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
    seconds = options.seconds(WINDOW)
    for setting, limit in SETTINGS.items():
        port, log = free_port(), work / "server.log"
        command = [
            *HOLDFAST, "serve", str(project.bundle), "--port", str(port), "--metrics-port", "0",
            "--limit", limit,
        ]  # fmt: skip
        with running(command, cwd=project.folder, env=project.env, log=log) as pid:
            wait_for(port, "/v2/health/ready", pid, log, 120)
            if not capacity:
                url = f"http://127.0.0.1:{port}/invocations"
                load.press(url, script, connections=CONNECTIONS, seconds=1)
                pressed = load.press(url, script, connections=CONNECTIONS, seconds=seconds)
                capacity = pressed.rate - pressed.failed / seconds
            for share in SHARES:
                outcome = offer(port, request, rate=share * capacity, seconds=seconds)
                found.setdefault(Point(setting, share), []).append(outcome)
                time.sleep(1.0)
    return capacity


def _tables(title: str, capacities: list[float], found: dict[Point, list[Outcome]]) -> list[Table]:
    tables = [Table(title=f"{title}: capacity", unit="1/s", rows=[Row("wrk", list(capacities))])]
    for what, unit, field in (
        ("answered in time, of capacity", "%", "answered"),
        ("99th percentile of the answers", "ms", "p99"),
    ):
        rows = []
        for setting in SETTINGS:
            for share in SHARES:
                outcomes = found[Point(setting, share)]
                values: list[float | None] = [getattr(one, field) for one in outcomes]
                if field == "answered":
                    values = [
                        100 * (value or 0) / capacity
                        for value, capacity in zip(values, capacities, strict=True)
                    ]
                rows.append(Row(f"{setting}, {share:g} × capacity offered", values))
        tables.append(Table(title=f"{title}: {what}", unit=unit, rows=rows))
    return tables
