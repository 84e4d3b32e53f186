"""Hundreds of models in one server: start-up, memory, and what a first and a later answer cost."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import msgspec
from fixture import HOLDFAST, Project, example
from options import Options
from processes import call, family, free_port, pss, running, wait_for
from report import Report, Row, Table

from holdfast.bundle.manifest import write_bundle
from holdfast.records import BundleManifest

MODELS = (1, 10, 100, 500)
KEY = bytes(32)


def measure(options: Options, work: Path) -> Report:
    """``holdfast serve FOLDER``: every bundle is another model, fitted once and named apart."""
    project = Project(work / "many", "train_trees")
    project.train()
    sizes = MODELS[:2] if options.quick else MODELS
    found: dict[str, dict[str, list[float | None]]] = {}
    for number in sizes:
        _copies(project.bundle, work / f"models-{number}", number)
    for _ in range(options.rounds):
        for number in sizes:
            for memory in ("", "128MiB"):
                name = f"{number} models" + (f", {memory} for models" if memory else "")
                values = _serve(project, work / f"models-{number}", number, memory)
                for title, value in values.items():
                    found.setdefault(title, {}).setdefault(name, []).append(value)
    units = {"memory": "MB", "answer": "ms", "ready": "s", "loaded": "models"}
    size = sum(file.stat().st_size for file in project.bundle.rglob("*") if file.is_file())
    return Report(
        name="many",
        about="One `holdfast serve` of a folder of gradient-boosting models, one worker.",
        tables=[
            Table(
                title=title,
                unit=next(unit for word, unit in units.items() if word in title),
                rows=[Row(name, values) for name, values in rows.items()],
            )
            for title, rows in found.items()
        ],
        notes=[
            (
                f"Each bundle has {size / 2**20:.2f} MB. 16 models are loaded ahead, the others "
                "on their first request. Memory is the proportional set size of the process."
            )
        ],
    )


def _copies(bundle: Path, folder: Path, number: int) -> None:
    """The same model under many names, each bundle sealed anew."""
    old = msgspec.json.decode((bundle / "bundle.json").read_bytes(), type=BundleManifest)
    for index in range(number):
        copy = folder / f"m{index:03d}"
        shutil.copytree(bundle, copy)
        for name in ("bundle.json", "bundle.sig"):
            (copy / name).unlink()
        write_bundle(
            copy, model=copy.name, task=old.task, signature=old.signature,
            predictor=old.predictor, native=old.native, run=old.run, dataset=old.dataset,
            created_at=old.created_at, key=KEY,
        )  # fmt: skip


def _serve(project: Project, folder: Path, number: int, memory: str) -> dict[str, float]:
    port, log = free_port(), project.folder / "serve.log"
    command = [*HOLDFAST, "serve", str(folder), "--port", str(port), "--metrics-port",
               str(free_port()), *(("--memory", memory) if memory else ())]  # fmt: skip
    began = time.perf_counter()
    with running(command, cwd=project.folder, env=project.env, log=log) as pid:
        wait_for(port, "/v2/health/ready", pid, log)
        ready = time.perf_counter() - began
        server = family(pid)[-1].pid
        _ask(port, number - 1)
        start = pss(server)
        first = [_ask(port, index) for index in range(number)]
        full = pss(server)
        # once more from the front: with too little memory each has to be loaded again
        again = [_ask(port, index) for index in range(number)]
        return {
            "ready after": ready,
            "memory after the first answer": start,
            "memory after each model answered": full,
            "first answer of a model, median": 1000 * sorted(first)[number // 2],
            "second answer of a model, median": 1000 * sorted(again)[number // 2],
        }


def _ask(port: int, index: int) -> float:
    body: Any = {"dataframe_records": [example()]}
    began = time.perf_counter()
    status, answer = call(port, "POST", f"/invocations?model=m{index:03d}", body)
    if status != 200:
        raise RuntimeError(f"model {index}: {status} {answer[:200]!r}")
    return time.perf_counter() - began
