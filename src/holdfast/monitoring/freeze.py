"""The reference: what a version's bundle remembers of the rows it was held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from holdfast.errors import DataError
from holdfast.monitoring.cells import PREDICTION, Binned, as_text, column_of, index, ordered
from holdfast.monitoring.cut import all_bins, spaces_of
from holdfast.monitoring.days import between_of, long_run_spread, loss_spreads, slice_days
from holdfast.monitoring.heldout import history
from holdfast.monitoring.joint import freeze_joint, pairs_by_hour
from holdfast.monitoring.moments import grid_of, moments_of
from holdfast.monitoring.sample import take_sample
from holdfast.monitoring.season import by_hour, hour_of_week
from holdfast.monitoring.usual import beyond_usual
from holdfast.monitoring.views import seen
from holdfast.records import Bins, ColumnSummary, Joint, Reference, Season, Summary
from holdfast.spec import Task

SLICE_VALUES = 50
SLICE_ROWS = 100
USUAL = 0.95
"""The share of days that ``Reference.usual`` speaks of."""
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
            with at least 100 rows. Of all of them, the 20 with the most rows learn how much their
            own days differ, where they have enough rows a day.
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
    spaces = spaces_of({name: column_of(columns, name) for name in names})
    made = [one for name in names for one in all_bins(name, columns[name], task, spaces)]
    bins = {one.column: one for one in made}
    values = seen(((one, columns[one.input]) for one in made), spaces)
    series = {one.column: column for one, column in values}
    binned = {name: index(series[name], bins[name]) for name in bins}
    cells = {name: one.cells for name, one in binned.items()}
    micros = None if at is None else at.dt.epoch("us").to_numpy()
    days = None if micros is None else micros // 86_400_000_000
    chosen = {"": np.ones(columns.height, dtype=np.bool_), **_slice_rows(columns, slices)}
    about = model, version, _first_hour(at)
    summaries = tuple(_summary(*about, key, bins, binned, rows) for key, rows in chosen.items())
    outcome = np.asarray(truth, dtype=np.float64)
    spread = 0.0 if days is None else long_run_spread(loss, days)
    mean, error = float(loss.mean()), _error(loss, days, spread)
    bin_loss = {name: _cell_loss(binned[name], bins[name], loss) for name in bins}
    season, tables = (None, {}) if micros is None else by_hour(made, cells, micros)
    between = None if days is None else between_of(made, cells, days, tables)
    follows = between.following if between else 0.0
    joint = freeze_joint(series, bins, bin_loss, days, follows=follows)
    season = _with_pairs(season, series, bins, joint, micros)
    reference = Reference(
        bins=tuple(bins.values()), summaries=summaries, loss=mean,
        loss_low=max(mean - 1.96 * error, 0.0),
        loss_high=min(mean + 1.96 * error, 1.0),
        calibration=_calibration(bins[PREDICTION], binned[PREDICTION], outcome, loss),
        bin_loss=bin_loss,
        scale=loss_scale(outcome, binned[PREDICTION].values) if task == "regression" else 1.0,
        rows=columns.height,
        usual=dict(zip(bins, beyond_usual(between, 1 - USUAL).tolist(), strict=False)),
        between=between, loss_spread=spread, joint=joint, season=season, spaces=spaces,
        slices={},
    )  # fmt: skip
    rows = take_sample(reference, binned, outcome, loss)
    reference = msgspec.structs.replace(reference, sample=rows)
    if days is None or micros is None:
        return reference
    return msgspec.structs.replace(
        reference, history=history(reference, task, cells[PREDICTION], loss, days),
        slices=slice_days(made, cells, micros, chosen, follows),
        loss_spreads=loss_spreads(cells, bin_loss, days, chosen),
    )  # fmt: skip


def _with_pairs(
    season: Season | None,
    series: Mapping[str, pl.Series],
    bins: Mapping[str, Bins],
    joint: Joint | None,
    micros: NDArray[np.int64] | None,
) -> Season | None:
    """The season with how pairs of columns go together in each of its groups of hours."""
    if joint is None or season is None or micros is None:
        return season
    together = pairs_by_hour(series, bins, joint, season, hour_of_week(micros))
    return msgspec.structs.replace(season, pairs=together)


def loss_scale(truth: ArrayLike, prediction: ArrayLike | None) -> float:
    """The error that counts as loss 1 in a regression: the 0.95 quantile of |error|.

    >>> loss_scale([0.0] * 100, list(range(100)))
    94.05
    """
    error = np.abs(np.asarray(truth, dtype=np.float64) - np.asarray(prediction, dtype=np.float64))
    error = error[np.isfinite(error)]
    scale = float(np.quantile(error, 0.95)) if error.size else 0.0
    return scale if scale > 0 else 1.0


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
    n, total, squares, low, high = moments_of(x[np.isfinite(x)], grid_of(bins))
    return ColumnSummary(
        column=bins.column,
        counts=counts,
        n=int(n),
        total=total,
        squares=squares,
        low=low if n else None,
        high=high if n else None,
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
