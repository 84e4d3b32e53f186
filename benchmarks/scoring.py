"""One-row scoring over HTTP: our server, which validates and records, beside others that do not."""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import load
import peers
from fixture import HOLDFAST, Project, example
from options import Options
from processes import PYTHON, call, clean_environment, family, free_port, pss, running, wait_for
from report import Report, Row, Table

KINDS = {"trees": "gradient boosting, 100 trees", "linear": "scaler and logistic regression"}
CONNECTIONS = (1, 8, 64)
WINDOW = 2
WARM_UP = 1
TOLERANCE = 1e-4
OURS = "holdfast serve, validated and recorded"
USUAL = "FastAPI, scikit-learn"
CONDITIONS = (
    "wrk on the same cores, {:g} s a window; one server at a time, one worker each, "
    "OMP_NUM_THREADS=1. Every service was checked to answer the same probability to 1e-4."
)
REMARKS = """\
Holdfast checks every cell against the signature, counts metrics, and writes every prediction to \
its spool before it answers. Of the others only FastAPI and MLflow check; none records. No \
recorder drains the spool meanwhile.
Most of the distance between the usual way and the others is the predictor: ONNX Runtime against \
scikit-learn's own predict_proba.
"""


class Service(NamedTuple):
    """Something that answers.

    Args:
        command: starts it; ``{port}`` stands for the port.
        health: path that answers 200 once it is ready.
        path: of scoring.
        body: one row.
        probability: where the answer has it.
    """

    name: str
    command: list[str]
    health: str
    path: str
    body: Any
    probability: Any
    cwd: Path
    env: dict[str, str]


class Window(NamedTuple):
    """Requests a second, milliseconds, microseconds of processor time a request."""

    rate: float
    p99: float
    cpu: float


def measure(options: Options, work: Path) -> Report:
    """Each service alone, in turn, round after round."""
    if not load.available():
        return Report(name="scoring", about="left out", tables=[], notes=[load.MISSING])
    mlflow, notes = peers.environment("mlflow", options)
    tables, memory = [], {}
    for kind, title in KINDS.items():
        project = Project(work / kind, f"train_{kind}")
        project.train()
        project.release(1)
        services = _services(project, work / kind, mlflow)
        tables += _tables(title, services, work, options, memory)
    tables.append(
        Table(
            title="memory of the serving process, gradient boosting",
            unit="MB",
            rows=[Row(name, values) for name, values in memory[KINDS["trees"]].items()],
        )
    )
    notes += [CONDITIONS.format(options.seconds(WINDOW)), *REMARKS.splitlines()]
    return Report(
        name="scoring", about="One row a request, keep-alive, JSON.", tables=tables, notes=notes
    )


def _tables(
    title: str, services: list[Service], work: Path, options: Options, memory: dict[str, Any]
) -> list[Table]:
    windows: dict[tuple[int, str], list[Window | None]] = {}
    sizes: dict[str, list[float | None]] = memory.setdefault(title, {})
    for _ in range(options.rounds):
        for service in services:
            with _serving(service, work) as (pid, port):
                for connections in CONNECTIONS:
                    found = _press(service, pid, port, work, connections, options)
                    windows.setdefault((connections, service.name), []).append(found)
                sizes.setdefault(service.name, []).append(sum(pss(p.pid) for p in family(pid)))

    def table(what: str, unit: str, field: str, connections: int, *, less: bool) -> Table:
        rows = [
            Row(
                one.name,
                [found and getattr(found, field) for found in windows[connections, one.name]],
            )
            for one in services
        ]
        text = f"{title}: {what}, {connections} connection{'s'[: connections > 1]}"
        return Table(title=text, unit=unit, rows=rows, base=USUAL, less=less, gain=True)

    made = []
    for connections in CONNECTIONS:
        made.append(table("requests a second", "1/s", "rate", connections, less=False))
        made.append(table("99th percentile", "ms", "p99", connections, less=True))
    made.append(table("processor time a request", "µs", "cpu", CONNECTIONS[-1], less=True))
    return made


def _press(
    service: Service, pid: int, port: int, work: Path, connections: int, options: Options
) -> Window | None:
    url = f"http://127.0.0.1:{port}{service.path}"
    script = load.script(work, service.body)
    load.press(url, script, connections=connections, seconds=options.seconds(WARM_UP))
    began, seconds = _processor(pid), options.seconds(WINDOW)
    found = load.press(url, script, connections=connections, seconds=seconds)
    spent = _processor(pid) - began
    if found.failed:
        print(f"    {service.name}: {found.failed} answers failed")
        return None
    return Window(found.rate, found.p99, 1e6 * spent / (found.rate * seconds))


def _processor(pid: int) -> float:
    """Seconds of processor time that a server has used, its workers included."""
    return sum(sum(process.cpu_times()[:2]) for process in family(pid))


@contextlib.contextmanager
def _serving(service: Service, work: Path) -> Iterator[tuple[int, int]]:
    port, log = free_port(), work / "service.log"
    command = [word.replace("{port}", str(port)) for word in service.command]
    with running(command, cwd=service.cwd, env=service.env, log=log) as pid:
        wait_for(port, service.health, pid, log, 120)
        status, body = call(port, "POST", service.path, service.body)
        answer = service.probability(json.loads(body)) if status == 200 else None
        if answer is None or abs(answer - _truth(service)) > TOLERANCE:
            raise RuntimeError(f"{service.name} answered {status}: {body[:500]!r}")
        time.sleep(0.2)
        yield pid, port


def _truth(service: Service) -> float:
    return float(service.env["BENCH_TRUTH"])


def _services(project: Project, work: Path, mlflow: Path | None) -> list[Service]:
    row = example()
    estimator = project.estimator()
    files = {
        "BENCH_ESTIMATOR": str(work / "estimator.pkl"), "BENCH_ONNX": str(work / "model.onnx"),
    }  # fmt: skip
    Path(files["BENCH_ESTIMATOR"]).write_bytes(pickle.dumps(estimator))
    Path(files["BENCH_ONNX"]).write_bytes(one_input(estimator))
    truth = {"BENCH_TRUTH": str(_truth_of(estimator, row))}
    env = clean_environment(**files, **truth)
    here = Path(__file__).parent / "services"

    def by_hand(name: str, module: str) -> Service:
        command = [
            PYTHON, "-m", "uvicorn", f"{module}:app", "--port", "{port}", "--no-access-log",
            "--log-level", "warning", "--loop", "uvloop", "--http", "httptools",
        ]  # fmt: skip
        return Service(
            name, command, "/health", "/predict", row, lambda got: got["probability"], here, env
        )

    split = {"dataframe_split": {"columns": list(row), "data": [list(row.values())]}}
    ours = Service(
        OURS,
        [*HOLDFAST, "serve", str(project.bundle), "--port", "{port}", "--metrics-port", "0"],
        "/v2/health/ready", "/invocations", split,
        lambda got: got["predictions"][0]["probability"],
        project.folder, {**project.env, **truth},
    )  # fmt: skip
    found = [
        by_hand(USUAL, "fastapi_sklearn"),
        by_hand("FastAPI, ONNX", "fastapi_onnx"),
        by_hand("bare ASGI, ONNX, nothing else", "asgi_onnx"),
        ours,
    ]
    if mlflow is not None:
        found.append(_mlflow(mlflow, project, work, split, {**env, **truth}))
    return found


def _mlflow(python: Path, project: Project, work: Path, body: Any, env: dict[str, str]) -> Service:
    """``mlflow models serve`` of the estimator, saved by MLflow with its signature."""
    folder = work / "mlflow-model"
    script = Path(__file__).parent / "peers" / "mlflow_save.py"
    peers.run(python, script, str(work / "estimator.pkl"), str(folder))
    shutil.rmtree(work / "mlruns", ignore_errors=True)
    command = [
        str(python.with_name("mlflow")), "models", "serve", "-m", str(folder), "-p", "{port}",
        "--env-manager", "local", "-w", "1",
    ]  # fmt: skip
    path = f"{python.parent}:{env.get('PATH', '')}"
    return Service(
        "mlflow models serve", command, "/ping", "/invocations", body,
        lambda got: got["predictions"][0][1], project.folder, {**env, "PATH": path},
    )  # fmt: skip


def _truth_of(estimator: Any, row: dict[str, float]) -> float:
    import pandas as pd

    return float(estimator.predict_proba(pd.DataFrame([row]))[0, 1])


def one_input(estimator: Any) -> bytes:
    """The model as one would convert it by hand: one matrix in.

    skl2onnx fails on scikit-learn 1.9's trees, so the same mending is used as in the product.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    from holdfast.registry.converters import mended

    with mended():
        model = convert_sklearn(
            estimator,
            initial_types=[("rows", FloatTensorType([None, 20]))],
            options={"zipmap": False},
        )
    data: bytes = model.SerializeToString()
    return data
