"""Rollbacks under load: through the real control plane, to a real server that is busy."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import load
from fixture import Project, Up, example
from options import Options
from processes import call
from report import Report, Row, Table

ROLLBACKS = 30
CONNECTIONS = 32
PAUSE = 0.5

# Notes when each answer came and from which version; 0 is a failure.
SCRIPT = """
local ffi = require("ffi")
ffi.cdef[[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local now = ffi.new("moment")
local kept
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [=[BODY]=]
function init() kept = io.open("FILE", "w") end
function response(status, headers)
  ffi.C.clock_gettime(1, now)
  local version = "0"
  if status == 200 then
    for name, value in pairs(headers) do
      if name:lower() == "x-holdfast-version" then version = value end
    end
  end
  kept:write(tonumber(now.seconds) + tonumber(now.nanoseconds) / 1e9, " ", version, "\\n")
  kept:flush()
end
"""


class Answer(NamedTuple):
    """When an answer came, by the monotonic clock, and of which version; 0 is a failure."""

    at: float
    version: int


@contextlib.contextmanager
def pressing(port: int, work: Path, seconds: float) -> Iterator[Path]:
    """Connections that ask one after the other; the file tells what they got."""
    file, script = work / "answers.txt", work / "answers.lua"
    body = json.dumps({"dataframe_records": [example()]})
    script.write_text(SCRIPT.replace("BODY", body).replace("FILE", str(file)))
    url = f"http://127.0.0.1:{port}/invocations"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", str(script), url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield file
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        broken = load.socket_errors(out)
        with file.open("a") as kept:
            kept.writelines(f"{time.monotonic()} 0\n" for _ in range(broken))


class Order(NamedTuple):
    """One rollback."""

    ordered: float
    confirmed: float
    bad: int


def measure(options: Options, work: Path) -> Report:
    """Back and forth between two versions, each time by an operator's rollback."""
    if not load.available():
        return Report(name="rollback", about="left out", tables=[], notes=[load.MISSING])
    project = Project(work / "rollback", "train_trees")
    project.train()
    project.release(1)
    project.train()
    with project.up() as up:
        project.release(2)
        with pressing(up.port, work, 600) as file:
            time.sleep(4 * PAUSE)
            orders = [_roll_back(up, number) for number in range(options.count(ROLLBACKS))]
            time.sleep(PAUSE)
    return _report(orders, _answers(file))


def _answers(file: Path) -> list[Answer]:
    lines = (line.split() for line in file.read_text().splitlines())
    return [Answer(float(line[0]), int(line[1])) for line in lines if len(line) == 2]


def _roll_back(up: Up, number: int) -> Order:
    bad, good = (2, 1) if number % 2 == 0 else (1, 2)
    time.sleep(PAUSE)
    ordered = time.monotonic()
    status, body = call(
        up.control, "POST", "/api/v1/models/bench/rollback", {"to": good, "actor": "bench"}
    )
    confirmed = time.monotonic()
    if status != 200:
        raise RuntimeError(f"rollback answered {status}: {body.decode()[:500]}")
    return Order(ordered, confirmed, bad)


def _report(orders: list[Order], answers: list[Answer]) -> Report:
    times = [answer.at for answer in answers]
    confirmed, last, late = [], [], 0
    for order, following in zip(orders, [*orders[1:], None], strict=True):
        first = bisect_right(times, order.ordered)
        end = bisect_right(times, following.ordered) if following else len(times)
        stale = [one.at for one in answers[first:end] if one.version == order.bad]
        confirmed.append(1000 * (order.confirmed - order.ordered))
        last.append(1000 * (max(stale, default=order.ordered) - order.ordered))
        late += sum(at > order.confirmed for at in stale)
    failed = sum(answer.version == 0 for answer in answers)
    rate = len(answers) / (times[-1] - times[0])
    return Report(
        name="rollback",
        about=f"{len(orders)} rollbacks by the control API while {CONNECTIONS} connections of wrk "
        f"keep the server saturated ({rate:,.0f} requests a second).",
        tables=[
            Table(
                title="from the call",
                unit="ms",
                rows=[
                    Row("to the confirmation by every server", list(confirmed)),
                    Row("to the last answer of the bad version", list(last)),
                ],
            )
        ],
        notes=[
            f"{failed} of {len(answers):,} requests failed.",
            f"{late} answers of the bad version came after the confirmation.",
            "Aim: under 100 ms, none failed.",
            "Client, server and control plane share the cores.",
        ],
    )
