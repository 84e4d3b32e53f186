"""The data contract: what a reference looked like, and whether newer rows still do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import polars as pl

from holdfast.data.clauses import CLAUSES, Observed, type_kept
from holdfast.data.naming import one_of
from holdfast.data.profile import MINIMUM, days, longest_run, quantiles
from holdfast.data.schema import TIME, normalise, type_name, width_of
from holdfast.errors import DataError
from holdfast.records import Breach, ColumnContract, Contract
from holdfast.spec import Data

MOST_CATEGORIES = 500
_FEWEST_DAYS = 7  # below, the largest jump of a day is not known
_VOLUME = 5.0


def learn(frame: pl.DataFrame, data: Data) -> Contract:
    """Learns the contract of the features and the label from a reference.

    Args:
        frame: rows of :func:`holdfast.data.sources.read`; best those the model was trained on.
        data: names the columns.

    Raises:
        DataError: ``data.empty`` when there are no rows.
    """
    if frame.is_empty():
        raise DataError("data.empty", "no contract can be learned from no rows", "Give rows.")
    rows = normalise(frame).sort(data.time, maintain_order=True)
    times = rows.get_column(data.time)
    names = dict.fromkeys((*data.features, data.label))
    return Contract(
        columns=tuple(
            _learn_column(rows.get_column(name), times, label=name == data.label) for name in names
        ),
        rows=rows.height,
        time_column=data.time,
        id_column=data.id,
        start=times[0],
        end=times[-1],
    )


def check(contract: Contract, frame: pl.DataFrame) -> tuple[Breach, ...]:
    """Holds newer rows against a contract; the hard breaches come first.

    A unit that changed on some day is best seen when the rows go on where the reference ends, or
    hold some days before the change.

    Args:
        contract: from :func:`learn`.
        frame: newer rows, in any order. They may lack the label and the id.

    Raises:
        DataError: ``data.type_unsupported`` when a column has a type no model takes.
    """
    if frame.is_empty():
        return (Breach(column="", rule="empty", hard=True, sentence="there are no rows"),)
    breaches = list(_missing(contract, frame))
    time = contract.time_column
    if time not in frame.columns:
        return tuple(breaches)
    present = [c for c in contract.columns if c.name in frame.columns]
    wanted = dict.fromkeys((time, *(c.name for c in present)))
    rows = normalise(frame.select(list(wanted)))
    if rows.schema[time] != TIME:
        sentence = f"'{time}' was a time and is now {rows.schema[time]}"
        return (*breaches, Breach(column=time, rule="type", hard=True, sentence=sentence))
    rows = rows.sort(time, maintain_order=True)
    for column in present:
        breaches += _check_column(contract, column, rows)
    breaches += _volume(contract, rows.get_column(time))
    breaches += _duplicates(contract, frame)
    return tuple(sorted(breaches, key=lambda breach: not breach.hard))


def _learn_column(values: pl.Series, times: pl.Series, *, label: bool) -> ColumnContract:
    kind = type_name(values.dtype)
    known = values.drop_nulls()
    by_day = days(times, values)
    run = longest_run(times, values)
    numeric = kind in ("double", "long") and not known.is_empty()
    numbers = known.cast(pl.Float64) if numeric else pl.Series(dtype=pl.Float64)
    medians = [day.median for day in by_day if day.median is not None]
    jump, jump_ratio = _natural_jumps(medians)
    distinct = known.unique().sort().to_list() if kind == "string" else []
    return ColumnContract(
        name=values.name,
        type=kind,
        null_share=values.null_count() / values.len(),
        constant=known.n_unique() <= 1,
        low=float(numbers.min()) if numeric else None,  # type: ignore[arg-type]
        high=float(numbers.max()) if numeric else None,  # type: ignore[arg-type]
        median=float(numbers.median()) if numeric else None,  # type: ignore[arg-type]
        categories=tuple(distinct) if len(distinct) <= MOST_CATEGORIES else (),
        label=label,
        null_day=max((day.null_share for day in by_day), default=0.0),
        quantiles=quantiles(numbers) if numeric else (),
        run_rows=run.rows,
        run_seconds=run.seconds,
        jump=jump,
        jump_ratio=jump_ratio,
        last=medians[-1] if medians else None,
        width=width_of(values.dtype),
    )


def _natural_jumps(medians: list[float]) -> tuple[float | None, float | None]:
    """The largest difference and |log ratio| of two days in a row; None when not to be told."""
    if len(medians) < _FEWEST_DAYS:
        return None, None
    jump = max(abs(b - a) for a, b in pairwise(medians))
    if min(medians) <= 0:
        return jump, None
    return jump, max(abs(math.log(b / a)) for a, b in pairwise(medians))


def _check_column(contract: Contract, column: ColumnContract, rows: pl.DataFrame) -> list[Breach]:
    values, times = rows.get_column(column.name), rows.get_column(contract.time_column)
    seen = Observed(column, values, times, days(times, values), contract.end)
    wrong_type = list(type_kept(seen))
    # Nothing else can be said of a column that became something else.
    return wrong_type or [breach for clause in CLAUSES for breach in clause(seen)]


def _missing(contract: Contract, frame: pl.DataFrame) -> Iterator[Breach]:
    names = [contract.time_column, *(c.name for c in contract.columns if not c.label)]
    for name in dict.fromkeys(names):
        if name not in frame.columns:
            yield Breach(
                column=name, rule="missing", hard=True, sentence=f"there is no column '{name}'"
            )


def _volume(contract: Contract, times: pl.Series) -> Iterator[Breach]:
    """Rows come about as often as they did; a factor of five either way is worth a word."""
    if contract.start is None or contract.end is None:
        return
    span = (times[-1] - times[0]).total_seconds()
    before = (contract.end - contract.start).total_seconds()
    if not span or not before or times.len() < MINIMUM:
        return
    ratio = (times.len() / span) / (contract.rows / before)
    if not 1 / _VOLUME <= ratio <= _VOLUME:
        times_as = f"{ratio:.2g} times as many"
        yield Breach(
            column="",
            rule="rows",
            hard=False,
            sentence=f"{times_as} rows come in a day as in the reference",
        )


def _duplicates(contract: Contract, frame: pl.DataFrame) -> Iterator[Breach]:
    name = contract.id_column
    if name is None or name not in frame.columns:
        return
    ids = frame.get_column(name).drop_nulls()
    repeated = ids.filter(ids.is_duplicated()).unique(maintain_order=True)
    if repeated.len():
        yield Breach(
            column=name,
            rule="duplicate_id",
            hard=False,
            sentence=f"'{name}' repeats {repeated.len()} ids: {one_of(repeated.to_list())}",
        )
