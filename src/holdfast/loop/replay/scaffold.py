"""A project for a history that has none: an ordinary one, which people may go on with."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import polars as pl

from holdfast.loop.replay.history import KNOWN, History, positive_of, task_of
from holdfast.spec import FILE_NAME, Task
from holdfast.spec.types import USUAL_METRIC


def scaffold(history: History, folder: Path, begin_days: int, task: Task | None = None) -> Path:
    """Writes ``holdfast.toml`` and ``model.py`` for a history, unless they are there.

    Args:
        history: its rows and columns.
        folder: of the project; made if need be.
        begin_days: days of history before the replay begins: as far as later trainings look back.
        task: what is predicted; inferred by default.

    Returns:
        The ``holdfast.toml``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE_NAME
    code = resources.files("holdfast.loop.replay").joinpath("default_model.py")
    (folder / "model.py").write_text(code.read_text(encoding="utf-8"), encoding="utf-8")
    file.write_text(_spec(history, task, begin_days), encoding="utf-8")
    return file


def _spec(history: History, task: Task | None, begin_days: int) -> str:
    data, label = history.data, history.rows[history.data.label]
    task = task or task_of(label)
    train = "model:regress" if task == "regression" else "model:classify"
    lines = ["[model]", 'name = "history"', f"task = {_text(task)}", f"train = {_text(train)}"]
    if task == "binary":
        lines.append(f"positive = {_text(positive_of(label))}")
    lines += ["", "[data]", f"source = {_text(data.source)}", f"time = {_text(data.time)}"]
    lines.append(f"label = {_text(data.label)}")
    if data.id:
        lines.append(f"id = {_text(data.id)}")
    if data.label_time:
        lines.append(f"label_time = {_text(data.label_time)}")
    elif data.label_delay:
        lines.append(f'label_delay = "{int(data.label_delay.total_seconds())}s"')
    lines.append(f"features = {_text(list(data.features))}")
    lines += ["", "[gate]", f"metric = {_text(USUAL_METRIC[task])}"]
    if task == "regression":
        lines.append(f"margin = {_margin(history):.6g}  # 1 % of how far labels commonly lie apart")
    lines += ["", "[retrain]", 'on = ["drift", "schedule"]', 'schedule = "0 3 * * 1"']
    lines += [f'window = "{max(begin_days, 1)}d"', ""]
    return "\n".join(lines)


def _margin(history: History) -> float:
    known = history.rows.filter(pl.col(KNOWN).is_not_null())[history.data.label]
    middle = known.median()
    far = (known - middle).abs().median()
    return 0.01 * (float(far) if isinstance(far, int | float) and far else 1.0)


def _text(value: object) -> str:
    """A value as TOML, which has JSON's strings, numbers, booleans and lists."""
    return json.dumps(value, ensure_ascii=False)
