"""The reference: what a version's bundle remembers of the rows it was held against."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import NormalDist

import msgspec
import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from holdfast.errors import DataError
from holdfast.monitoring.cells import (
    CATEGORIES,
    PREDICTION,
    Binned,
    as_numbers,
    as_text,
    column_of,
    index,
    is_numeric,
    ordered,
)
from holdfast.monitoring.drift import USUAL, effect_of
from holdfast.monitoring.history import history
from holdfast.monitoring.sample import take_sample
from holdfast.records import Bins, ColumnSummary, Reference, Summary
from holdfast.spec import Task

EDGES = 255
SPIKES = 16
SPIKE_SHARE = 0.01
SLICE_VALUES = 50
SLICE_ROWS = 100
# A probability of ½ or more is answered as positive, so that a cell may not reach across.
_HALF = float(np.nextafter(0.5, 0.0))
USUAL_DAYS = 5
USUAL_ROWS = 100
USUAL_GAP = 3  # days on either side that resemble a day
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Floats = NDArray[np.float64]


def freeze(
    columns: pl.DataFrame,
    truth: ArrayLike,
    losses: ArrayLike,
    *,
    task: Task,
    features: Sequence[str],
    slices: Sequence[str] = (),
    model: str = "",
    version: int = 0,
    at: pl.Series | None = None,
) -> Reference:
    """Freezes the held-out rows into a reference.

    Args:
        columns: the features, and ``prediction``: binary the probability of the positive class,
            multiclass the largest probability, regression the value.
        truth: (n,) binary: whether the label is the positive class; multiclass: whether the
            predicted class was right; regression: the true value.
        losses: (n,) bounded losses, for regression with :func:`loss_scale`.
        task: what is predicted.
        features: columns to watch.
        slices: columns whose values get reference summaries of their own; the 50 most frequent
            with at least 100 rows.
        model: name that is written into the summaries.
        version: likewise; 0 while it has none.
        at: (n,) time of each row. With it the reference learns how much days commonly differ,
            without which real data, which has weather and seasons, looks broken every day.

    Raises:
        DataError: when there are no rows or a column is missing.
    """
    if not columns.height:
        raise DataError("monitoring.no_reference", "there are no held-out rows to freeze")
    names = [PREDICTION, *(name for name in features if name != PREDICTION)]
    loss = np.asarray(losses, dtype=np.float64)
    series = {name: column_of(columns, name) for name in names}
    bins = {name: make_bins(name, series[name], _also(name, task)) for name in names}
    binned = {name: index(series[name], bins[name]) for name in names}
    days = None if at is None else at.dt.epoch("us").to_numpy() // 86_400_000_000
    chosen = {"": np.ones(columns.height, dtype=np.bool_), **_slice_rows(columns, slices)}
    summaries = tuple(
        _summary(model, version, _first_hour(at), key, bins, binned, rows)
        for key, rows in chosen.items()
    )
    outcome = np.asarray(truth, dtype=np.float64)
    spread = 0.0 if days is None else long_run_spread(loss, days)
    error = _error(loss, days, spread)
    mean = float(loss.mean())
    reference = Reference(
        bins=tuple(bins.values()),
        summaries=summaries,
        loss=mean,
        loss_low=max(mean - 1.96 * error, 0.0),
        loss_high=min(mean + 1.96 * error, 1.0),
        calibration=_calibration(bins[PREDICTION], binned[PREDICTION], outcome, loss),
        bin_loss={name: _cell_loss(binned[name], bins[name], loss) for name in names},
        scale=loss_scale(outcome, binned[PREDICTION].values) if task == "regression" else 1.0,
        rows=columns.height,
        usual={} if days is None else _usual(bins, binned, days),
        loss_spread=spread,
    )
    rows = take_sample(reference, binned, outcome, loss)
    reference = msgspec.structs.replace(reference, sample=rows)
    if days is None:
        return reference
    kept = history(reference, task, binned[PREDICTION].cells, loss, days)
    return msgspec.structs.replace(reference, history=kept)


def _also(name: str, task: Task) -> tuple[float, ...]:
    """Edges a column must have."""
    return (_HALF,) if name == PREDICTION and task == "binary" else ()


def loss_scale(truth: ArrayLike, prediction: ArrayLike | None) -> float:
    """The error that counts as loss 1 in a regression: the 0.95 quantile of |error|.

    >>> loss_scale([0.0] * 100, list(range(100)))
    94.05
    """
    error = np.abs(np.asarray(truth, dtype=np.float64) - np.asarray(prediction, dtype=np.float64))
    error = error[np.isfinite(error)]
    scale = float(np.quantile(error, 0.95)) if error.size else 0.0
    return scale if scale > 0 else 1.0


def make_bins(name: str, series: pl.Series, also: Sequence[float] = ()) -> Bins:
    """The cells of one column.

    Numeric: a value held by at least 1 % of the rows gets a cell of its own (at most 16), the rest
    is cut at quantiles (at most 255 edges), with an empty cell on either side of the range.
    Categorical: the 1,000 most frequent values. ``also`` are edges that must be among them.
    """
    if not is_numeric(series):
        found = as_text(series).drop_nulls().alias("value").value_counts()
        ranked = found.sort(["count", "value"], descending=[True, False])
        categories = tuple(ranked["value"].head(CATEGORIES).to_list())
        return Bins(column=name, kind="categorical", categories=categories)
    values = as_numbers(series)
    values = values[np.isfinite(values)]
    if not values.size:
        return Bins(column=name, kind="numeric")
    distinct, counts = np.unique(values, return_counts=True)
    frequent = np.flatnonzero(counts >= max(SPIKE_SHARE * series.len(), 2))
    top = frequent[np.argsort(-counts[frequent], kind="stable")][:SPIKES]
    spikes = np.sort(distinct[top])
    rest = values[~np.isin(values, spikes)]
    ends = [np.nextafter(distinct[0], -np.inf), distinct[-1]]
    room = EDGES - len(ends) - spikes.size - len(also)
    inner: ArrayLike = np.quantile(rest, np.arange(1, room + 1) / (room + 1)) if rest.size else []
    edges = np.unique(np.concatenate([ends, spikes, inner, also]))
    return Bins(
        column=name, kind="numeric", edges=tuple(edges.tolist()), spikes=tuple(spikes.tolist())
    )


def long_run_spread(loss: Floats, days: NDArray[np.int64]) -> float:
    """Standard deviation between days of the mean loss, beyond what sampling explains.

    Taken over one and over three days together, times √3, and the larger kept: bad days come in
    rows, and a sum of days varies accordingly. 0 when there are fewer than ten days.
    """
    inverse = np.unique(days, return_inverse=True)[1]
    rows = np.bincount(inverse)
    enough = rows >= 30
    if enough.sum() < 2 * USUAL_DAYS:
        return 0.0
    means = (np.bincount(inverse, weights=loss) / rows)[enough]
    sampling = float(np.mean(loss.var() / rows[enough]))
    variances = [float(means.var(ddof=1)) - sampling]
    threes = means[: means.size // 3 * 3].reshape(-1, 3).mean(axis=1)
    if threes.size >= USUAL_DAYS:
        variances.append(3 * float(threes.var(ddof=1)) - sampling)
    return float(np.sqrt(max(*variances, 0.0)))


def _error(loss: Floats, days: NDArray[np.int64] | None, spread: float) -> float:
    """Standard error of the mean loss, with days as the units that vary."""
    variance = float(loss.var()) / loss.size
    if days is not None:
        variance += spread**2 / np.unique(days).size
    return float(np.sqrt(variance))


def _first_hour(at: pl.Series | None) -> datetime:
    if at is None:
        return _EPOCH
    first = at.cast(pl.Datetime("us")).dt.truncate("1h").min()
    assert isinstance(first, datetime)
    return first.replace(tzinfo=UTC)


def _slice_rows(columns: pl.DataFrame, slices: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Slice key → which rows belong to it."""
    result = {}
    for name in slices:
        text = as_text(column_of(columns, name))
        ranked = text.drop_nulls().alias("value").value_counts()
        ranked = ranked.filter(pl.col("count") >= SLICE_ROWS)
        ranked = ranked.sort(["count", "value"], descending=[True, False]).head(SLICE_VALUES)
        for value in ranked["value"].to_list():
            result[f"{name}={value}"] = (text == value).fill_null(value=False).to_numpy()
    return result


def _summary(
    model: str,
    version: int,
    hour: datetime,
    key: str,
    bins: dict[str, Bins],
    binned: dict[str, Binned],
    rows: NDArray[np.bool_],
) -> Summary:
    columns = tuple(_column(bins[name], binned[name], rows) for name in bins)
    return Summary(
        model=model, version=version, hour=hour, slice=key, rows=int(rows.sum()), columns=columns
    )


def _column(bins: Bins, binned: Binned, rows: NDArray[np.bool_]) -> ColumnSummary:
    cells = binned.cells[rows]
    counts = tuple(np.bincount(cells, minlength=bins.cells).tolist())
    if binned.values is None:
        return ColumnSummary(column=bins.column, counts=counts, n=sum(counts[:-1]))
    x = binned.values[rows]
    x = x[np.isfinite(x)]
    return ColumnSummary(
        column=bins.column,
        counts=counts,
        n=x.size,
        total=float(x.sum()),
        squares=float((x * x).sum()),
        low=float(x.min()) if x.size else None,
        high=float(x.max()) if x.size else None,
    )


def _calibration(
    bins: Bins, binned: Binned, truth: Floats, loss: Floats
) -> tuple[tuple[int, float, float], ...]:
    """(rows, calibrated outcome, mean loss) of each prediction cell.

    Empty cells take what their neighbours say; the outcome is isotonic in the prediction.
    """
    rows = np.bincount(binned.cells, minlength=bins.cells)
    outcome = np.bincount(binned.cells, weights=truth, minlength=bins.cells)
    losses = np.bincount(binned.cells, weights=loss, minlength=bins.cells)
    p = np.full(bins.cells, float(truth.mean()))
    mean = np.full(bins.cells, float(loss.mean()))
    full = rows > 0
    p[full], mean[full] = outcome[full] / rows[full], losses[full] / rows[full]
    if bins.kind == "numeric":
        order = ordered(bins)
        known = np.flatnonzero(full[order])
        if known.size:
            kept = order[known]
            from scipy.optimize import isotonic_regression  # nearly a second; only here

            smooth = isotonic_regression(p[kept], weights=rows[kept]).x
            p[order] = np.interp(np.arange(order.size), known, smooth)
            mean[order] = np.interp(np.arange(order.size), known, mean[kept])
    return tuple(zip(rows.tolist(), p.tolist(), mean.tolist(), strict=True))


def _cell_loss(binned: Binned, bins: Bins, loss: Floats) -> tuple[float, ...]:
    rows = np.bincount(binned.cells, minlength=bins.cells)
    total = np.bincount(binned.cells, weights=loss, minlength=bins.cells)
    mean = np.where(rows > 0, total / np.maximum(rows, 1), loss.mean())
    return tuple(mean.tolist())


def _usual(
    bins: dict[str, Bins], binned: dict[str, Binned], days: NDArray[np.int64]
) -> dict[str, float]:
    """How far days lie from the others by themselves, by column: what 95 % of days stay below.

    From the days that are not near, as production will be held against days long past. Rain makes
    few days that lie far out, so the furthest day may speak for the rest, as the largest of n
    normal ones.
    """
    found, day = np.unique(days, return_inverse=True)
    full = np.flatnonzero(np.bincount(day) >= USUAL_ROWS)
    if full.size < USUAL_DAYS:
        return {}
    others = np.abs(found[full, None] - found) > USUAL_GAP
    crowded = others.sum(axis=1) < found.size / 2
    others[crowded] = found[full[crowded], None] != found
    normal = NormalDist()
    most = normal.inv_cdf((1 + USUAL) / 2) / normal.inv_cdf(1 - 1 / (2 * full.size))
    result = {}
    for name, one in bins.items():
        table = np.bincount(
            day * one.cells + binned[name].cells, minlength=found.size * one.cells
        ).reshape(found.size, one.cells)
        away = [
            float(effect_of(one, table[rest].sum(axis=0), table[k]).value)
            for k, rest in zip(full, others, strict=True)
        ]
        result[name] = max(float(np.quantile(away, USUAL)), max(away) * most)
    return result
