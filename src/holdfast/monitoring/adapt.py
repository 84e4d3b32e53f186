"""Estimates that follow a shift of the inputs: PAPE for classes, a model of the loss for values.

Probabilistic adaptive performance estimation (arXiv 2401.08348): a classifier tells production
rows from held-out rows, its odds weigh the held-out rows so that they look like production, and the
calibration is learned again under these weights. For a regression the loss itself is modelled from
the inputs (direct loss estimation). The classifier is a logistic regression over coarse cells.

As blind as every estimate without labels to a change of P(y|x). Refused where the held-out rows
cannot stand for production: too few of them alike, or the classifier tells the two apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from holdfast.monitoring.cells import PREDICTION, ordered
from holdfast.monitoring.estimate import Estimate, estimate_counts
from holdfast.monitoring.merge import Blocks
from holdfast.monitoring.sample import groups_of, outcomes_of, production_groups
from holdfast.records import Bins, Reference
from holdfast.spec import Task
from holdfast.statistics.histogram import coarsen
from holdfast.statistics.logistic import chance, fit_logistic, fit_ridge, one_hot

LEAST_ROWS = 500
LEAST_EFFECTIVE = 500.0
MOST_AUC = 0.95
MOST_COLUMNS = 20
_LOSS_GROUPS = 20
_Z = 1.96

Floats = NDArray[np.float64]
Cells = NDArray[np.intp]


class Weights(NamedTuple):
    """How held-out rows are to be weighed to look like production.

    Args:
        each: (m,) weights with mean 1.
        effective: effective sample size (Σw)²/Σw².
        auc: how well production can be told from the held-out rows.
        held: (m, p) the held-out rows as indicators; ``seen`` (n, p) production.
    """

    each: Floats
    effective: float
    auc: float
    held: NDArray[np.float32]
    seen: NDArray[np.float32]


def adapt_blocks(
    reference: Reference,
    seen: Blocks,
    rows: pl.DataFrame | None,
    known: Mapping[datetime, Estimate],
    task: Task,
) -> tuple[Estimate, ...]:
    """The estimate of each block: as it was made once, or made now.

    Args:
        reference: with a sample of the held-out rows.
        seen: the blocks.
        rows: a sample of the rows of those that are new, with ``at``; None when none was taken.
        known: estimates by the start of their block.
        task: what is predicted.
    """
    result = []
    for k, start in enumerate(seen.starts):
        if start in known:
            result.append(known[start])
        elif rows is None:
            result.append(Estimate(rows=int(seen.rows[k]), reason="its rows were not looked at"))
        else:
            part = rows.filter(pl.col("at").is_between(start, start + seen.length, closed="left"))
            result.append(adapt(reference, seen.counts[PREDICTION][k], part, task))
    return tuple(result)


def adapt(reference: Reference, counts: ArrayLike, rows: pl.DataFrame, task: Task) -> Estimate:
    """Estimates the quality of one block from a sample of its rows.

    Args:
        reference: with a sample of the held-out rows.
        counts: (cells,) of all predictions of the block.
        rows: a sample of its rows: features and ``prediction``.
        task: what is predicted.
    """
    total = int(np.sum(counts))
    sample = reference.sample
    if sample is None or sample.rows < LEAST_ROWS or rows.height < LEAST_ROWS:
        known = 0 if sample is None else sample.rows
        said = f"{known:,} held-out rows and {rows.height:,} of production, of {LEAST_ROWS} each"
        return Estimate(rows=total, reason=f"not enough data: {said}")
    weights = domain_weights(groups_of(sample), production_groups(reference, rows))
    if weights.auc > MOST_AUC:
        said = f"production can be told from the held-out rows (AUC {weights.auc:.2f})"
        return Estimate(rows=total, reason=f"cannot say: {said}")
    if weights.effective < LEAST_EFFECTIVE:
        said = f"only {weights.effective:.0f} held-out rows are like those of production"
        return Estimate(rows=total, reason=f"cannot say: {said}")
    cells, happened, loss = outcomes_of(sample)
    if task == "regression":
        return _direct(weights, loss, total)
    again = recalibrate(reference, cells, happened, loss, weights.each, task)
    return estimate_counts(counts, again, task, minimum=1)


def domain_weights(held: dict[str, Cells], seen: dict[str, Cells]) -> Weights:
    """Weights of held-out rows by the odds of the domain classifier.

    Args:
        held: column → (m,) groups of the held-out rows.
        seen: column → (n,) groups of production; columns that one side lacks are left out, and of
            many only the twenty that moved most are looked at.
    """
    names = [name for name in held if name in seen]
    sizes = {name: int(max(held[name].max(), seen[name].max())) + 1 for name in names}

    def moved(name: str) -> float:
        p = np.bincount(held[name], minlength=sizes[name]) / held[name].size
        q = np.bincount(seen[name], minlength=sizes[name]) / seen[name].size
        return float(np.abs(p - q).sum())

    chosen = sorted(names, key=moved, reverse=True)[:MOST_COLUMNS]
    widths = [sizes[name] for name in chosen]
    x = one_hot([held[name] for name in chosen], widths)
    z = one_hot([seen[name] for name in chosen], widths)
    m, n = len(x), len(z)
    both = [np.concatenate([held[name], seen[name]]) for name in chosen]
    beta = fit_logistic(both, widths, np.concatenate([np.zeros(m), np.ones(n)]))
    p = np.concatenate([chance(x, beta), chance(z, beta)])
    odds = p[:m] / np.maximum(1 - p[:m], 1e-9)
    each = odds / odds.mean()
    effective = float(each.sum() ** 2 / np.square(each).sum())
    return Weights(each, effective, _auc(p[:m], p[m:]), x, z)


def recalibrate(
    reference: Reference, cells: Cells, happened: Floats, loss: Floats, weights: Floats, task: Task
) -> Reference:
    """The reference with the calibration that the weighted rows have.

    Args:
        reference: whose cells they are.
        cells: (m,) cell of each prediction.
        happened: (m,) its outcome; ``loss`` its loss, ``weights`` its weight.
        task: what is predicted.
        loss: (m,) bounded losses.
        weights: (m,) weights.
    """
    bins = reference.bins[0]
    known = np.array([one[0] for one in reference.calibration])
    mass = np.bincount(cells, weights=weights, minlength=bins.cells)
    squares = np.bincount(cells, weights=weights**2, minlength=bins.cells)
    effective = np.where(squares > 0, mass**2 / np.maximum(squares, 1e-12), 0.0)
    hits = np.bincount(cells, weights=weights * happened, minlength=bins.cells)
    order = ordered(bins)
    full = order[mass[order] > 0]
    p = np.full(bins.cells, float(hits.sum() / mass.sum()))
    p[order] = np.interp(
        np.arange(order.size),
        np.flatnonzero(mass[order] > 0),
        isotonic(np.asarray(hits[full] / mass[full]), np.asarray(mass[full])),
    )
    expected = (
        _brier(bins, p) if task == "binary" else _grouped(order, cells, loss, weights, bins.cells)
    )
    rows = np.where(known > 0, np.maximum(effective, 1.0), 0.0)
    table = zip(np.ceil(rows).astype(int).tolist(), p.tolist(), expected.tolist(), strict=True)
    return msgspec.structs.replace(reference, calibration=tuple(table))


def isotonic(values: Floats, weights: Floats) -> Floats:
    """The nearest sequence that never falls, by pooling adjacent violators.

    >>> isotonic(np.array([1.0, 3.0, 2.0]), np.ones(3)).tolist()
    [1.0, 2.5, 2.5]
    """
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, v, n), (b, w, k) = blocks[-2], blocks[-1]
            blocks[-2:] = [((a * v + b * w) / (v + w), v + w, n + k)]
    return np.repeat([one[0] for one in blocks], [one[2] for one in blocks])


def _brier(bins: Bins, p: Floats) -> Floats:
    """(cells,) expected squared error of the score in the middle of each cell."""
    edges = np.clip(np.asarray(bins.edges), 0.0, 1.0)
    middle = (np.concatenate([[0.0], edges]) + np.concatenate([edges, [1.0]])) / 2
    score = np.concatenate([middle, np.asarray(bins.spikes), [0.5]])
    return np.asarray(p * (1 - score) ** 2 + (1 - p) * score**2)


def _grouped(order: Cells, cells: Cells, loss: Floats, weights: Floats, size: int) -> Floats:
    """(cells,) weighted mean loss of about twenty neighbouring groups of cells."""
    mass = np.bincount(cells, weights=weights, minlength=size)
    groups = np.zeros(size, dtype=np.intp)
    groups[order] = coarsen(mass[order], _LOSS_GROUPS)
    sums = np.bincount(groups[cells], weights=weights * loss, minlength=groups.max() + 1)
    rows = np.bincount(groups[cells], weights=weights, minlength=groups.max() + 1)
    mean = float((weights * loss).sum() / weights.sum())
    return np.asarray(np.where(rows > 0, sums / np.maximum(rows, 1e-12), mean)[groups])


def _direct(weights: Weights, loss: Floats, total: int) -> Estimate:
    """The loss as the inputs let expect it, additive in their cells."""
    beta, inverse = fit_ridge(weights.held, loss)
    residual = loss - weights.held @ beta
    noise = float(np.mean(weights.each * residual**2))
    said = np.clip(weights.seen @ beta, 0.0, 1.0)
    centre = weights.seen.mean(axis=0).astype(np.float64)
    model = noise * float(centre @ inverse @ centre)
    error = float(np.sqrt(said.var() / said.size + noise / max(total, 1) + model))
    value = float(said.mean())
    return Estimate(
        rows=total, value=value, error=error,
        low=max(value - _Z * error, 0.0), high=min(value + _Z * error, 1.0),
    )  # fmt: skip


def _auc(below: Floats, above: Floats) -> float:
    """Area under the ROC curve, ties as one half."""
    order = np.sort(below)
    under = np.searchsorted(order, above, "left") + np.searchsorted(order, above, "right")
    return float(under.mean() / 2 / max(below.size, 1))
