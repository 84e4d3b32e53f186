"""Whether labels come for all predictions alike, and what the loss is when they do not.

A loan that was refused is never repaid, and a case nobody looked into has no outcome: where labels
depend on what the model answered, the mean over the labels that are there is the loss of those
predictions only. Predictions are cut into strata by their score. If within a stratum labels are a
fair sample, ``Σ_s (N_s / N) · mean_s`` is the loss of all of them (Holt and Smith 1979: post-
stratification; the weights are those of the inverse propensity to be labelled). Where a stratum has
next to no labels, its loss can be anything in [0, 1], and the interval says so (Manski 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.monitoring.late import mature_until
from holdfast.monitoring.quality import ClassLabel
from holdfast.spec import Task
from holdfast.statistics.exact import wilson

STRATA = 10
LEAST = 100
"""Predictions below which nothing is said."""
LEAST_LABELS = 30
"""Labels below which the loss of a stratum is not known."""
DIFFERENCE = 0.1
"""Of the shares of two strata that have a label; a smaller one does not matter."""
_BLOCKS = 90
_SURE = 3.9  # of one in 10,000: ten strata are compared at every look

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stratum:
    """Predictions of one kind.

    Args:
        name: which, in words.
        rows: predictions old enough to have all the labels they will get.
        labelled: those that have one.
    """

    name: str
    rows: int
    labelled: int


@dataclass(frozen=True, slots=True)
class Selection:
    """For which predictions there are labels.

    Args:
        rows: predictions old enough to have all the labels they will get, of the newest blocks.
        labelled: those that have one.
        least: the stratum with the smallest share of labels; None when all are alike.
        most: the one with the largest.
        measured: mean loss over the labels that are there.
        loss: what it is over all predictions; None when labels come alike, or part is unknown.
        low: lower bound of the loss over all predictions, 95 %; ``high`` the upper.
        blind: share of the predictions in strata whose loss is not known.
    """

    rows: int
    labelled: int
    least: Stratum | None = None
    most: Stratum | None = None
    measured: float | None = None
    loss: float | None = None
    low: float | None = None
    high: float | None = None
    blind: float = 0.0


def select(
    outcomes: pl.DataFrame,
    known: pl.DataFrame,
    *,
    until: datetime,
    length: timedelta,
    task: Task,
    classes: Sequence[ClassLabel] = (),
) -> Selection | None:
    """Compares the shares of predictions that have a label, by score.

    When labels come alike for all, two strata are told apart at one look in some 10,000 (rows
    independent of each other).

    Args:
        outcomes: all predictions, as :func:`holdfast.monitoring.quality.labelled` takes them.
        known: what that made of them.
        until: labels that came later do not exist yet.
        length: of a block; the last 90 whose labels are there count.
        task: what is predicted; of classes each is a stratum.
        classes: class labels.

    Returns:
        None while there are too few predictions whose labels would be there.
    """
    ripe = mature_until(known, until)
    if ripe is None:
        return None
    old = (pl.col("at") < ripe) & (pl.col("at") >= ripe - _BLOCKS * length)
    made = outcomes.filter(old & pl.col("score").is_not_null())
    if made.height < LEAST:
        return None
    value = pl.col("score").list.arg_max() if task == "multiclass" else pl.col("score")
    scores = made.select(value.cast(pl.Float64)).to_series().to_numpy()
    labels = known.filter(old).select("at", "loss", score=value.cast(pl.Float64))
    edges = np.arange(len(classes) - 1.0)
    if task != "multiclass":
        edges = np.unique(np.quantile(scores, np.arange(1, STRATA) / STRATA, method="lower"))
    of, found = (np.searchsorted(edges, x, "left") for x in (scores, labels["score"].to_numpy()))
    rows, n = (np.bincount(x, minlength=len(edges) + 1) for x in (of, found))
    strata = [
        Stratum(_name(scores[of == s], task, classes), int(rows[s]), int(n[s]))
        for s in np.flatnonzero(rows)
    ]
    loss = labels["loss"].to_numpy()
    whole = Selection(made.height, labels.height, measured=float(loss.mean()) if n.sum() else None)
    least, most = _apart(strata)
    if least is None or not n.sum():
        return whole
    block = (labels["at"] - ripe).dt.total_microseconds().to_numpy() // _microseconds(length)
    value_of, low, high, blind = _over_all(loss, found, block, rows)
    return Selection(
        made.height, labels.height, least, most, measured=whole.measured,
        loss=None if blind else value_of, low=low, high=high, blind=blind,
    )  # fmt: skip


def _name(scores: Floats, task: Task, classes: Sequence[ClassLabel]) -> str:
    if task == "multiclass":
        return f"predicted '{classes[int(scores[0])]}'"
    low, high = (f"{score:.3g}" for score in (scores.min(), scores.max()))
    return f"scored {low}" if low == high else f"scored {low} to {high}"


def _microseconds(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def _apart(strata: list[Stratum]) -> tuple[Stratum | None, Stratum | None]:
    """The strata with the smallest and the largest share of labels, if these surely differ."""
    ranked = sorted(strata, key=lambda one: one.labelled / one.rows)
    least, most = ranked[0], ranked[-1]
    differ = most.labelled / most.rows - least.labelled / least.rows
    above = wilson(most.labelled, most.rows, _SURE)[0]
    below = wilson(least.labelled, least.rows, _SURE)[1]
    return (least, most) if differ > DIFFERENCE and above > below else (None, None)


def _over_all(
    loss: Floats, stratum: NDArray[np.int64], block: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[float, float, float, float]:
    """The loss over all predictions, its interval, and the share of which nothing is known.

    The variance is of whole blocks, whose rows resemble each other, or of rows, if that is larger.
    """
    n = np.bincount(stratum, minlength=len(rows))
    seen = n >= LEAST_LABELS
    weight = rows / rows.sum()
    blind = float(weight[~seen].sum())
    mean = np.bincount(stratum, weights=loss, minlength=len(rows)) / np.maximum(n, 1)
    part = seen[stratum]
    away = (weight / np.maximum(n, 1))[stratum[part]] * (loss[part] - mean[stratum[part]])
    _, place = np.unique(block[part], return_inverse=True)
    sums = np.bincount(place, weights=away)
    of_blocks = float((sums**2).sum()) * len(sums) / max(len(sums) - 1, 1)
    half = 1.96 * float(np.sqrt(max(of_blocks, float((away**2).sum()))))
    value = float((weight * mean)[seen].sum())
    return value, max(value - half, 0.0), min(value + half + blind, 1.0), blind
