"""Realised quality: what the labels say, by the cohort of the prediction.

Scored by when a prediction was made, never by when its label came: labels of one outcome often
come sooner than those of the other, so young cohorts mislead, and their maturity says how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.errors import DataError
from holdfast.records import Metric
from holdfast.spec import Task
from holdfast.statistics.losses import bounded_loss
from holdfast.statistics.metrics import metric

_LEAST = 30  # labels below which a cohort's metrics say nothing

Floats = NDArray[np.float64]
ClassLabel = bool | int | str


@dataclass(frozen=True, slots=True)
class Corrected:
    """What the quality of a cohort will be when its labels are there.

    Args:
        loss: mean bounded loss, None when nothing can be said yet.
        low: lower bound of its 95 % interval; ``high`` the upper.
        labels: for classes, the share of each label among the predictions.
        reason: why nothing can be said.
    """

    loss: float | None = None
    low: float | None = None
    high: float | None = None
    labels: tuple[Metric, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cohort:
    """The predictions of one block of time.

    Args:
        start: when the block begins.
        rows: predictions; ``labelled`` of them have a label by now.
        loss: mean bounded loss of the labelled, with its 95 % interval; None without labels.
        metrics: those asked for, without interval (``low`` and ``high`` are the value).
        corrected: what the loss will be when all labels are there; None when they are, or nearly
            all that will come (:func:`holdfast.monitoring.late.correct`).
    """

    start: datetime
    rows: int
    labelled: int
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    metrics: tuple[Metric, ...] = ()
    corrected: Corrected | None = None

    @property
    def maturity(self) -> float:
        """Share of the predictions whose label is known."""
        return self.labelled / self.rows if self.rows else 0.0


def labelled(
    outcomes: pl.DataFrame,
    until: datetime,
    *,
    task: Task,
    classes: Sequence[ClassLabel] = (),
    positive: ClassLabel = 1,
    scale: float = 1.0,
) -> pl.DataFrame:
    """The outcomes known at ``until``, with their bounded ``loss``, in the order of arrival.

    Args:
        outcomes: ``at``, ``score`` (multiclass: a list a row), ``label`` and ``label_at``; rows
            without a label are allowed.
        until: labels that came later do not exist yet.
        task: what is predicted.
        classes: class labels; a multiclass label that is none of them counts as loss 1 (the model
            cannot be right), a binary one is left out.
        positive: label of the positive class.
        scale: regression: error of loss 1.

    Raises:
        DataError: when labels or scores are of the wrong type.
    """
    known = outcomes.filter(
        pl.col("label").is_not_null()
        & pl.col("score").is_not_null()
        & (pl.col("label_at") <= until)
    )
    labels, scores = known["label"].to_numpy(), _scores(known["score"], task, len(classes))
    possible = np.isin(labels, list(classes)) if classes else np.ones(known.height, dtype=bool)
    if task == "binary" and not possible.all():
        known = known.filter(pl.Series(possible))
        labels, scores, possible = labels[possible], scores[possible], possible[possible]
    loss = np.ones(known.height)
    loss[possible] = bounded_loss(
        task, labels[possible], scores[possible], classes=classes, positive=positive, scale=scale
    )
    return known.with_columns(loss=pl.Series(loss, dtype=pl.Float64)).sort(
        "label_at", "at", "loss", maintain_order=True
    )


def quality(
    outcomes: pl.DataFrame,
    known: pl.DataFrame,
    *,
    since: datetime,
    until: datetime,
    length: timedelta,
    task: Task,
    metrics: Sequence[str] = (),
    classes: Sequence[ClassLabel] = (),
    positive: ClassLabel = 1,
) -> tuple[Cohort, ...]:
    """One cohort for each block between two times that has predictions.

    Args:
        outcomes: all predictions, as :func:`labelled` takes them.
        known: what :func:`labelled` made of them.
        since: start of the first block.
        until: end of what is looked at; the last block may be incomplete.
        length: of a block.
        task: what is predicted.
        metrics: scikit-learn's scorer names to compute for each cohort.
        classes: class labels.
        positive: label of the positive class.
    """
    within = (pl.col("at") >= since) & (pl.col("at") < until)
    start = (pl.col("at") - since).dt.total_microseconds() // (length // timedelta(microseconds=1))
    rows = outcomes.filter(within).group_by(block=start).len().sort("block")
    parts = known.filter(within).with_columns(block=start).partition_by("block", as_dict=True)
    result = []
    for block, size in rows.iter_rows():
        part = parts.get((block,))
        begins = since + block * length
        if part is None:
            result.append(Cohort(start=begins, rows=size, labelled=0))
            continue
        mean, low, high = mean_interval(part["loss"].to_numpy())
        result.append(
            Cohort(
                start=begins,
                rows=size,
                labelled=part.height,
                loss=mean,
                low=low,
                high=high,
                metrics=_metrics(part, metrics, task, classes, positive),
            )
        )
    return tuple(result)


def mean_interval(loss: Floats) -> tuple[float, float, float]:
    """Mean of bounded losses with its 95 % interval, widened by one imagined loss of 0 and of 1."""
    n = loss.size
    mean = float(loss.mean())
    centre = (loss.sum() + 1) / (n + 2)
    variance = (float(((loss - centre) ** 2).sum()) + (1 - centre) ** 2 + centre**2) / (n + 2)
    half = 1.96 * float(np.sqrt(variance / (n + 2)))
    return mean, max(min(mean, centre - half), 0.0), min(max(mean, centre + half), 1.0)


def _scores(scores: pl.Series, task: Task, classes: int) -> NDArray[Any]:
    if task == "multiclass":
        rows = scores.to_list()
        return np.asarray(rows, dtype=np.float64) if rows else np.zeros((0, classes))
    return np.asarray(scores.to_numpy())


def _metrics(
    part: pl.DataFrame,
    names: Sequence[str],
    task: Task,
    classes: Sequence[ClassLabel],
    positive: ClassLabel,
) -> tuple[Metric, ...]:
    """The metrics of a cohort; those that it cannot have (one class only) are left out."""
    if part.height < _LEAST:
        return ()
    truth, score = part["label"].to_numpy(), _scores(part["score"], task, len(classes))
    result = []
    for name in names:
        try:
            value = metric(name, task, truth, score, classes=classes, positive=positive)
        except DataError:
            continue
        result.append(Metric(name=name, value=value, low=value, high=value, n=part.height))
    return tuple(result)
