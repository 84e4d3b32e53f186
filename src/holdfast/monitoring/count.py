"""Predictions to summaries: one pass, hour by hour and slice by slice.

The stored form of summaries is a Polars frame with
:data:`~holdfast.monitoring.cells.SCHEMA`: one row for each hour, slice and column, with the counts
of its occupied cells only. It stays small where an hour has few rows, appends, and adds up quickly
(:mod:`holdfast.monitoring.merge`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.monitoring.cells import SCHEMA, as_lists, as_text, column_of
from holdfast.monitoring.joint import Codes, coded, tally_joint
from holdfast.monitoring.merge import from_frame
from holdfast.monitoring.tally import HOUR, Tally, group, read, tally
from holdfast.monitoring.views import seen
from holdfast.records import Reference, Summary


def count(
    frame: pl.DataFrame,
    reference: Reference,
    *,
    model: str,
    version: int,
    slices: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    at_column: str | None = "at",
) -> pl.DataFrame:
    """Counts predictions into the stored form of summaries.

    Args:
        frame: one version's live predictions, one row each.
        reference: its bins say which columns are counted and how.
        model: name that is written into the rows.
        version: number that is written into the rows.
        slices: columns whose values get summaries of their own; only values that the reference
            has a summary for, so that their number is bounded.
        columns: name in the reference → name in the frame, where they differ.
        at_column: time of the prediction: a datetime (UTC) or seconds since 1970. None: all rows
            are of one hour, the first of 1970.

    Returns:
        Stored rows, in a fixed order.

    Raises:
        DataError: when the frame lacks a column.
    """
    names = columns or {}
    hours = np.zeros(frame.height, dtype=np.int64)
    if at_column is not None:
        hours = _hours(column_of(frame, at_column))
    groupings = [group(hours, None, [""])]
    known = [summary.slice for summary in reference.summaries]
    for name in slices:
        values = [key.removeprefix(f"{name}=") for key in known if key.startswith(f"{name}=")]
        text = as_text(column_of(frame, names.get(name, name)))
        codes = text.cast(pl.Enum(values), strict=False).to_physical().cast(pl.Int64)
        own = codes.fill_null(-1).to_numpy().astype(np.intp)
        groupings.append(group(hours, own, [f"{name}={value}" for value in values]))
    tallies: list[Tally] = []
    columns_read = (
        (bins, column_of(frame, names.get(bins.input, bins.input))) for bins in reference.bins
    )
    thirds = {one.column: one for one in reference.joint.columns} if reference.joint else {}
    coarse: dict[str, Codes] = {}
    for bins, series in seen(columns_read, reference.spaces):
        column = read(series, bins)
        tallies.extend(tally(groups, column, bins) for groups in groupings if groups.keys)
        if bins.column in thirds:
            coarse[bins.column] = coded(column, bins, thirds[bins.column])
    if reference.joint is not None and groupings[0].keys:
        tallies.append(tally_joint(groupings[0], coarse, reference.joint))
    return _stored(tallies, model, version).sort("hour", "slice", maintain_order=True)


def summarise(
    frame: pl.DataFrame,
    reference: Reference,
    model: str,
    version: int,
    slices: Sequence[str] = (),
    at_column: str = "at",
    columns: Mapping[str, str] | None = None,
) -> list[Summary]:
    """As :func:`count`, but as records, by hour and slice; for the API and small windows.

    Raises:
        DataError: when the frame lacks a column.
    """
    rows = count(
        frame, reference, model=model, version=version, slices=slices, columns=columns,
        at_column=at_column,
    )  # fmt: skip
    return from_frame(rows, reference)


def _hours(at: pl.Series) -> NDArray[np.int64]:
    """Microseconds since 1970 at which each row's hour began."""
    if at.dtype.is_numeric():
        micros = (at.cast(pl.Float64) * 1e6).floor().cast(pl.Int64)
    else:
        micros = at.dt.epoch("us")
    return np.asarray(micros.to_numpy() // HOUR * HOUR, dtype=np.int64)


def _stored(tallies: list[Tally], model: str, version: int) -> pl.DataFrame:
    """Tallies as stored rows, all lists of cells built at once."""
    if not tallies:
        return pl.DataFrame(schema=SCHEMA)
    keys = [key for tally in tallies for key in tally.keys]
    lengths = np.concatenate([np.bincount(one.owner, minlength=len(one.keys)) for one in tallies])
    cells = np.concatenate([one.cells for one in tallies]).astype(np.uint16)
    counts = np.concatenate([one.counts for one in tallies]).astype(np.uint32)
    moments = np.concatenate([one.moments for one in tallies], axis=1)
    names = pl.Series([one.column for one in tallies], dtype=pl.String)
    owner = pl.Series(np.repeat(np.arange(len(tallies)), [len(one.keys) for one in tallies]))
    hours = pl.Series([key[0] for key in keys], dtype=pl.Int64).cast(pl.Datetime("us"))
    return pl.DataFrame(
        {
            "model": pl.repeat(model, len(keys), dtype=pl.String, eager=True),
            "version": pl.repeat(version, len(keys), dtype=pl.Int64, eager=True),
            "hour": hours.dt.replace_time_zone("UTC"),
            "slice": pl.Series([key[1] for key in keys], dtype=pl.String),
            "column": names.gather(owner),
            "n": moments[0].astype(np.int64),
            "cells": as_lists(cells, lengths),
            "counts": as_lists(counts, lengths),
            **{name: moments[1 + i] for i, name in enumerate(("total", "squares", "low", "high"))},
        },
        schema=SCHEMA,
    ).with_columns(pl.col("low", "high").fill_nan(None))
