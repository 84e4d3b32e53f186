"""Watches the predictions of an existing model: what would the monitor have said, and when?

There is no model to train, gate or release here: only its answers are known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from holdfast.errors import DataError
from holdfast.loop.replay.course import Course
from holdfast.loop.replay.history import KNOWN, History
from holdfast.loop.replay.outcome import Answers, page_of, series_frame
from holdfast.loop.replay.results import Outcome, Page
from holdfast.monitoring.cells import PREDICTION
from holdfast.monitoring.count import count
from holdfast.monitoring.freeze import freeze, loss_scale
from holdfast.monitoring.look import look
from holdfast.recording.values import FEATURE
from holdfast.records import Reference
from holdfast.spec import Spec
from holdfast.statistics.losses import bounded_loss

OUTCOME = ("at", "score", "label", "label_at")
Classes = tuple[bool | int | str, ...]


def watch(
    course: Course, spec: Spec, history: History, tell: Callable[[datetime], None]
) -> tuple[Outcome, pl.DataFrame]:
    """Looks at what the model answered, from the beginning of the replay to its end.

    Args:
        course: of kind ``watched``.
        spec: what is declared.
        history: the rows with the model's answers; those before the beginning are the reference.
        tell: told how far it is.

    Raises:
        DataError: when the predictions do not fit the task.
    """
    classes = classes_of(history.rows[spec.data.label], spec)
    name = course.prediction or ""
    features = [feature for feature in spec.data.features if feature != name]
    rows = _scored(history, spec, name, features, classes)
    early = rows.filter((pl.col("at") < course.begin) & (pl.col("label_at") <= course.begin))
    reference = _reference(early, spec, features, classes)
    later = rows.filter((pl.col("at") >= course.begin) & (pl.col("at") < course.end))
    answers = Answers(course, spec)
    answers.add(0, later.select(OUTCOME), reference, classes)
    pages = _pages(course, spec, reference, later, answers, tell)
    outcome = answers.outcome([(page.at, "page") for page in pages], pages=pages)
    return outcome, series_frame(course.name, answers.series())


def classes_of(label: pl.Series, spec: Spec) -> Classes:
    """The classes of a history, sorted; none of a regression."""
    if spec.model.task == "regression":
        return ()
    return tuple(label.drop_nulls().unique().sort().to_list())


def score_of(answers: pl.Series, spec: Spec, classes: Classes) -> pl.Series:
    """What an existing model answered, as a score: the probability of the positive class, the
    value, or a list of probabilities (of a class that is named without one, 0 and 1).

    Raises:
        DataError: when it fits neither.
    """
    task, known = spec.model.task, answers.drop_nulls()
    if task == "regression" and answers.dtype.is_numeric():
        return answers.cast(pl.Float64)
    if task != "regression" and set(known.unique().to_list()) <= set(classes):
        if task == "binary":
            return (answers == spec.model.positive).cast(pl.Float64)
        table = [[float(one == value) for one in classes] for value in answers.to_list()]
        return pl.Series(table, dtype=pl.List(pl.Float64))
    if task == "binary" and answers.dtype.is_numeric() and bool(known.is_between(0, 1).all()):
        return answers.cast(pl.Float64)
    wanted = {
        "binary": "probabilities of the positive class, or classes",
        "multiclass": "classes", "regression": "numbers",
    }[task]  # fmt: skip
    raise DataError(
        "replay.predictions",
        f"the predictions in '{answers.name}' do not fit a task that is {task}",
        f"They must be {wanted}; say what is predicted with --task.",
    )


def _scored(
    history: History, spec: Spec, prediction: str, features: Sequence[str], classes: Classes
) -> pl.DataFrame:
    """The rows that were answered: ``at``, ``score``, ``label``, ``label_at``, ``shown`` (what the
    monitor calls the prediction) and the features as ``f_<feature>``.
    """
    rows = history.rows.filter(pl.col(prediction).is_not_null())
    score = score_of(rows[prediction], spec, classes)
    shown = score.list.max() if spec.model.task == "multiclass" else score
    return rows.select(
        score.alias("score"), shown.alias("shown"), at=pl.col(spec.data.time),
        label=pl.col(spec.data.label), label_at=pl.col(KNOWN),
        **{FEATURE + name: pl.col(name) for name in features},
    )  # fmt: skip


def _reference(
    rows: pl.DataFrame, spec: Spec, features: Sequence[str], classes: Classes
) -> Reference:
    task, label = spec.model.task, rows["label"].to_numpy()
    score = np.asarray(rows["score"].to_list(), dtype=np.float64)
    truth: Any = label.astype(np.float64) if task == "regression" else None
    if task == "binary":
        truth = label == spec.model.positive
    elif task == "multiclass":
        truth = label == np.asarray(classes, dtype=object)[score.argmax(axis=1)]
    scale = loss_scale(truth, score) if task == "regression" else 1.0
    losses = bounded_loss(
        task, label, score, classes=classes, positive=spec.model.positive, scale=scale
    )
    columns = rows.select(pl.col("shown").alias(PREDICTION), *_named(features))
    return freeze(
        columns, truth, losses, task=task, features=features,
        slices=[name for name in spec.monitor.slices if name in features],
        model=spec.model.name, at=rows["at"],
    )  # fmt: skip


def _named(features: Sequence[str]) -> list[pl.Expr]:
    return [pl.col(FEATURE + name).alias(name) for name in features]


def _pages(
    course: Course, spec: Spec, reference: Reference, rows: pl.DataFrame, answers: Answers,
    tell: Callable[[datetime], None],
) -> tuple[Page, ...]:  # fmt: skip
    """A page each time that a kind of finding begins to page."""
    model, task = spec.model.name, spec.model.task
    columns = {bins.input: FEATURE + bins.input for bins in reference.bins}
    columns[PREDICTION] = "shown"
    slices = sorted({one.slice.partition("=")[0] for one in reference.summaries if one.slice})
    counts = count(rows, reference, model=model, version=0, slices=slices, columns=columns)
    outcomes, known, level = rows.select(OUTCOME), answers.known, answers.levels[0]
    now, before, open_now = course.begin, None, set[str]()
    pages: list[Page] = []
    while now < course.end:
        now = min(now + timedelta(seconds=course.every), course.end)
        seen = look(
            reference, counts.filter(pl.col("hour") < now), outcomes.filter(pl.col("at") <= now),
            spec.monitor, task=task, model=model, version=0, since=course.begin, until=now,
            classes=answers.classes, positive=spec.model.positive, before=before,
        )  # fmt: skip
        paging = {one.kind: one for one in reversed(seen.findings) if one.pages}
        pages += [
            page_of(paging[kind], now, known, level, spec.monitor.block)
            for kind in sorted(set(paging) - open_now)
        ]
        open_now, before = set(paging), now
        tell(now)
    return tuple(pages)
