"""Scoring over HTTP beside the servers that people use: rate, latency, processor time, memory,
start-up; three models, four loads.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import load
import psutil
from options import Options
from processes import call, family, free_port, pss, running
from report import Grid, Report, Row, Table, keep, number

from serving.models import TITLES, Model, make
from serving.services import BARE, OURS, Service, last_line, services

LOADS = ((1, 1), (1, 8), (1, 64), (100, 8))
WINDOW = 4.0
WARM_UP = 1.0
TOLERANCE = 1e-4
START_SECONDS = 180.0
LONGER = 10.0
CONDITIONS = (
    "wrk with one thread on the same cores, {:g} s a window after {:g} s of warming up; one server "
    "at a time, one worker each, OMP_NUM_THREADS=1, access logs off. Every answer was checked to "
    "1e-4 before, and again after each load; a window without one whole answer is repeated over "
    "{:g} s."
)
UNFINISHED = "Unfinished: written while it ran."
REMARKS = f"""\
{OURS} checks every cell against the signature, counts metrics and writes every prediction to its \
spool before it answers. No recorder drains the spool meanwhile.
{BARE} is the same compiled model in an ASGI function that checks and records nothing; echo \
answers a constant.
Processor time and memory are those of all processes of a server, proxies and managers included.
The others run scikit-learn's own predict_proba: most of the distance to them is the predictor.
"""


class Window(NamedTuple):
    """Requests a second, milliseconds at two percentiles, microseconds of processor a request."""

    rate: float
    p50: float
    p99: float
    cpu: float


class Found(NamedTuple):
    """Of one service: windows by load and round, seconds to the first answer, MB, what failed."""

    windows: dict[tuple[int, int], list[Window | None]]
    starts: list[float | None]
    sizes: list[float | None]
    failures: list[str]


def measure(options: Options, work: Path) -> Report:
    """Each service alone, in turn, round after round; what is done is kept after each."""
    if not load.available():
        return Report(name="serving", about="left out", tables=[], notes=[load.MISSING])
    done: dict[str, dict[str, Found]] = {}
    notes: dict[str, None] = {}
    for kind, title in TITLES.items():
        if set(TITLES) & set(options.only) and kind not in options.only:
            continue
        model = make(kind, work / kind)
        asked, said = services(model, options)
        notes |= dict.fromkeys([*said, f"{title}: {model.compiled}."])
        done[title] = {one.name: Found({each: [] for each in LOADS}, [], [], []) for one in asked}
        for turn in range(1, options.rounds + 1):
            for service in asked:
                began, one = time.monotonic(), done[title][service.name]
                _round(service, model, work, options, one)
                cells = "; ".join(_cell(one.windows[each]) for each in LOADS)
                took = f"round {turn} took {time.monotonic() - began:.0f} s"
                print(f"    {kind}, {service.name}: {cells}; {took}", flush=True)
                if options.kept:
                    keep(_report(done, [UNFINISHED, *notes], options))
    return _report(done, list(notes), options)


def _report(done: dict[str, dict[str, Found]], notes: list[str], options: Options) -> Report:
    failures = dict.fromkeys(
        f"{title}: {name} {failure}"
        for title, found in done.items()
        for name, one in found.items()
        for failure in one.failures
    )
    conditions = CONDITIONS.format(options.seconds(WINDOW), WARM_UP, LONGER)
    return Report(
        name="serving", about="JSON over HTTP, keep-alive.",
        tables=[table for title, found in done.items() for table in _tables(title, found)],
        grids=[_grid(title, found) for title, found in done.items()],
        notes=[*notes, *failures, conditions, *REMARKS.splitlines()],
    )  # fmt: skip


def _round(service: Service, model: Model, work: Path, options: Options, found: Found) -> None:
    """All loads on one service; whatever is wrong with it, the others are measured too."""
    rounds = len(found.starts) + 1
    try:
        with _serving(service, model, work) as (pid, port, seconds):
            for rows, connections in LOADS:
                try:
                    window = _press(service, pid, port, work, model, rows, connections, options)
                except (RuntimeError, subprocess.SubprocessError) as error:
                    found.failures.append(f"at {_name(rows, connections)}: {last_line(error)}")
                    window = None
                found.windows[rows, connections].append(window)
                log = _log(work, model, service)
                _wait(service, model, rows, port, pid, log)  # also until its queue is empty
            found.sizes.append(sum(pss(process.pid) for process in family(pid)))
            found.starts.append(seconds)
    except Exception as error:  # noqa: BLE001 (of somebody else's server, or of what it answered)
        print(f"    {model.kind}: {service.name} failed: {error}", flush=True)
        found.failures.append(f"failed: {last_line(error)}")
        for values in (*found.windows.values(), found.starts, found.sizes):
            values.extend([None] * (rounds - len(values)))


@contextlib.contextmanager
def _serving(service: Service, model: Model, work: Path) -> Iterator[tuple[int, int, float]]:
    """The service, proven to answer rightly; with the seconds from its start to that answer."""
    ports = {"port": free_port(), "port2": free_port(), "port3": free_port()}
    log = _log(work, model, service)
    command = [word.format(**ports) if "{port" in word else word for word in service.command]
    began = time.monotonic()
    with running(command, cwd=service.cwd, env=service.env, log=log) as pid:
        for rows in (1, 100):
            _wait(service, model, rows, ports["port"], pid, log)
            if rows == 1:
                seconds = time.monotonic() - began
        yield pid, ports["port"], seconds


def _log(work: Path, model: Model, service: Service) -> Path:
    return work / f"{model.kind}-{service.name}.log"


def _wait(service: Service, model: Model, rows: int, port: int, pid: int, log: Path) -> None:
    """Until it answers, and rightly.

    Raises:
        RuntimeError: when it never does.
    """
    body, until, last = service.body([model.row] * rows), time.monotonic() + START_SECONDS, ""
    while time.monotonic() < until and psutil.pid_exists(pid):
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break
        with contextlib.suppress(OSError, http.client.HTTPException):
            status, data = call(port, "POST", service.path, body)
            if status == 200:
                answers = service.answer(json.loads(data))
                wrong = [one for one in answers if abs(one - model.truth) > TOLERANCE]
                if wrong or len(answers) != rows:
                    raise RuntimeError(f"answered {data[:200]!r} instead of {model.truth}")
                return
            last = f"{status} {data[:300]!r}"
        time.sleep(0.02)
    said = log.read_text(errors="replace")[-1000:]
    raise RuntimeError(f"{said}\nno right answer within {START_SECONDS:g} s: {last or 'none'}")


def _press(
    service: Service, pid: int, port: int, work: Path, model: Model, rows: int, connections: int,
    options: Options,
) -> Window:  # fmt: skip
    url = f"http://127.0.0.1:{port}{service.path}"
    script = load.script(work, service.body([model.row] * rows))
    load.press(url, script, connections=connections, seconds=WARM_UP)
    for seconds in (options.seconds(WINDOW), LONGER):
        began = _processor(pid)
        found = load.press(url, script, connections=connections, seconds=seconds)
        spent = _processor(pid) - began
        if found.rate:
            break
    if found.failed or not found.rate:
        raise RuntimeError(f"{found.failed} answers failed" if found.rate else "no answer")
    return Window(found.rate, found.p50, found.p99, 1e6 * spent / (found.rate * seconds))


def _processor(pid: int) -> float:
    """Seconds of processor time that a server has used, its workers included."""
    total = 0.0
    for process in family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):  # a worker that has just ended
            total += sum(process.cpu_times()[:2])
    return total


def _grid(title: str, found: dict[str, Found]) -> Grid:
    """The one table: medians over the rounds."""
    heads = ["", *(_name(*each) for each in LOADS), "µs a request", "MB", "start, s"]
    lines = [
        [
            name,
            *(_cell(one.windows[each]) for each in LOADS),
            _middle([window and window.cpu for window in one.windows[1, 8]]),
            _middle(one.sizes),
            _middle(one.starts),
        ]
        for name, one in found.items()
    ]
    return Grid(f"{title}: requests a second (p50, p99 in ms)", heads, lines)


def _cell(windows: list[Window | None]) -> str:
    sound = [window for window in windows if window]
    if not sound:
        return "failed"
    rate, p50, p99, _ = (statistics.median(values) for values in zip(*sound, strict=True))
    return f"{number(rate)} ({number(p50)}, {number(p99)})"


def _middle(values: list[float | None]) -> str:
    sound = [value for value in values if value is not None]
    return number(statistics.median(sound)) if sound else ""


def _name(rows: int, connections: int) -> str:
    return f"{rows} row{'s'[: rows > 1]}, c={connections}"


def _tables(title: str, found: dict[str, Found]) -> list[Table]:
    """Every value measured, with ranges and ratios to the bare compiled model."""
    base = BARE if BARE in found else ""
    made = []
    for field, unit, less in (("rate", "1/s", False), ("cpu", "µs of processor", True)):
        for each in LOADS:
            rows = [
                Row(name, [window and getattr(window, field) for window in one.windows[each]])
                for name, one in found.items()
            ]
            text = f"{title}: {_name(*each)}"
            made.append(Table(title=text, unit=unit, rows=rows, base=base, less=less, gain=True))
    return made
