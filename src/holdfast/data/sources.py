"""Reads the rows a spec names, and checks that they mean what the spec says."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from holdfast.data.database import is_database, read_query
from holdfast.data.files import OBJECT_STORES, SUFFIXES, read_files
from holdfast.data.naming import missing_column, one_of
from holdfast.data.schema import TIME, as_utc, normalise
from holdfast.errors import DataError
from holdfast.ports.user_code import UserCode
from holdfast.spec import Data


def columns_of(data: Data) -> tuple[str, ...]:
    """Every column the spec names, once: id, time, label, label time, features, then the kept.

    >>> columns_of(Data(source="x.csv", time="t", label="y", features=("t", "a")))
    ('t', 'y', 'a')
    """
    roles = (data.id, data.time, data.label, data.label_time, *data.features, *data.keep)
    return tuple(dict.fromkeys(name for name in roles if name is not None))


def read(data: Data, root: Path, user_code: UserCode) -> pl.DataFrame:
    """Reads, checks and normalises the rows of a source.

    Rows whose label is null (not yet known) are kept; :func:`known_at` leaves them out.

    Args:
        data: what the spec says of the data.
        root: the project's folder; paths are relative to it.
        user_code: runs the loader when the source is ``module:callable``.

    Returns:
        The columns of :func:`columns_of`, in the types of :mod:`holdfast.data.schema`, sorted by
        time and id. The id is text, because it is joined with the ids of requests.

    Raises:
        DataError: when the rows cannot be read or do not fit the spec.
        UserCodeError: when the loader fails.
        UnavailableError: when a database cannot be reached.
    """
    columns = columns_of(data)
    raw = _load(data, root, user_code, columns)
    for name in columns:
        if name not in raw.columns:
            raise missing_column(name, raw.columns, "the source")
    if raw.is_empty():
        raise DataError(
            "data.empty", "the source has no rows", "Check [data] source, or the query's WHERE."
        )
    return check(raw.select(columns), data)


def check(raw: pl.DataFrame, data: Data) -> pl.DataFrame:
    """Normalises rows and checks their times, ids and labels, as :func:`read` does.

    Raises:
        DataError: as :func:`read`.
    """
    parsed = raw.with_columns(
        _times(raw.get_column(name)) for name in {data.time, data.label_time} - {None} if name
    )
    frame = normalise(parsed)
    _require_times(frame, data.time)
    if data.id is not None:
        frame = frame.with_columns(_identifiers(frame.get_column(data.id)))
        _require_unique(frame, data.id)
    frame = frame.with_columns(_label(frame.get_column(data.label)))
    keys = [data.time] if data.id is None else [data.time, data.id]
    return frame.sort(keys, maintain_order=True)


def known_at(
    frame: pl.DataFrame, data: Data, now: datetime, window: timedelta | None = None
) -> pl.DataFrame:
    """The rows whose label was known at ``now``: what a training at that time could have used.

    Args:
        frame: rows of :func:`read`.
        data: what the spec says of the data.
        now: aware time.
        window: how far back the rows may reach; all of them without it.
    """
    moment = pl.lit(now).cast(TIME)
    time = pl.col(data.time)
    known = pl.col(data.label_time) if data.label_time else time + data.label_delay
    keep = pl.col(data.label).is_not_null() & (known <= moment) & (time <= moment)
    if window is not None:
        keep = keep & (time >= moment - window)
    return frame.filter(keep)


def is_callable(source: str) -> bool:
    """Whether a source is a loader of the project.

    >>> is_callable("delays:load"), is_callable("rows/*.parquet"), is_callable("sqlite:///a.db")
    (True, False, False)
    """
    is_file = source.startswith(OBJECT_STORES) or source.endswith(SUFFIXES)
    return ":" in source and not is_file and not is_database(source)


def _load(data: Data, root: Path, user_code: UserCode, columns: tuple[str, ...]) -> pl.DataFrame:
    source = data.source
    if is_database(source):
        return read_query(source, data.query or "", root)
    if is_callable(source):
        return user_code.load(source)
    return read_files(source, root, columns)


def _times(column: pl.Series) -> pl.Series:
    """Times from dates, times and text; numbers are refused, since their unit is a guess."""
    if isinstance(column.dtype, pl.Datetime | pl.Date):
        return as_utc(column)
    if column.dtype == pl.Null or column.null_count() == column.len():
        return pl.Series(column.name, [None] * column.len(), dtype=TIME)
    if column.dtype == pl.String:
        parsed = _parse(column)
        failed = parsed.is_null() & column.is_not_null()
        if not failed.any():
            return parsed
        example = column.filter(failed)[0]
        raise DataError(
            "data.bad_time",
            f"column '{column.name}' has {failed.sum()} times that cannot be read, "
            f"such as '{example}'",
            "Write times as ISO 8601, like 2026-03-01T14:30:00Z.",
        )
    raise DataError(
        "data.bad_time",
        f"column '{column.name}' is of type {column.dtype}, not a time",
        "Give times as timestamps or as ISO 8601 text, like 2026-03-01T14:30:00Z.",
    )


def _parse(column: pl.Series) -> pl.Series:
    """ISO 8601 with or without seconds, fractions and offset; text without offset is UTC."""
    clean = column.str.strip_chars().str.replace(" ", "T", literal=True)
    clean = clean.str.replace(r"[zZ]$", "+00:00").str.replace(r"([+-]\d\d):?(\d\d)?$", "$1$2")
    # "2026-03-01" ends like an offset; whole dates are given back as they were.
    frame = pl.DataFrame({"raw": column.str.strip_chars(), "clean": clean}).select(
        pl.coalesce(
            *(
                pl.col("clean").str.to_datetime(pattern, strict=False, time_unit="us")
                .dt.convert_time_zone("UTC")
                for pattern in ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z")
            ),
            *(
                pl.col("raw").str.replace(" ", "T", literal=True)
                .str.to_datetime(pattern, strict=False, time_unit="us")
                .dt.replace_time_zone("UTC")
                for pattern in ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
            ),
            pl.col("raw").str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
            .dt.replace_time_zone("UTC"),
        ).alias(column.name)
    )  # fmt: skip
    return frame.get_column(column.name)


def _require_times(frame: pl.DataFrame, name: str) -> None:
    missing = frame.get_column(name).null_count()
    if missing:
        raise DataError(
            "data.bad_time",
            f"column '{name}' is null in {missing} of {frame.height} rows",
            "Every row needs the time of its prediction; leave such rows out of the source.",
        )


def _identifiers(column: pl.Series) -> pl.Series:
    if isinstance(column.dtype, pl.Array):
        raise DataError(
            "data.bad_id",
            f"the id '{column.name}' is a list of numbers",
            "Name a column of text or whole numbers as id.",
        )
    if column.dtype == pl.Float64 and bool((column.drop_nulls() % 1 == 0).all()):
        column = column.cast(pl.Int64)  # whole numbers that nulls made fractional
    missing = column.null_count()
    if missing:
        raise DataError(
            "data.missing_id",
            f"column '{column.name}' is null in {missing} rows",
            "Every row needs its id; leave such rows out, or take id out of [data].",
        )
    return column.cast(pl.String)


def _require_unique(frame: pl.DataFrame, name: str) -> None:
    repeated = frame.filter(pl.col(name).is_duplicated()).get_column(name)
    if repeated.len():
        distinct = repeated.unique().sort()
        raise DataError(
            "data.duplicate_id",
            f"column '{name}' repeats {distinct.len()} ids: {one_of(distinct)}",
            "Ids must be unique, or labels cannot be joined; mend the source.",
        )


def _label(column: pl.Series) -> pl.Series:
    if column.dtype == TIME:
        raise DataError(
            "data.bad_label",
            f"the label '{column.name}' is a time, which cannot be predicted",
            "Make it a number, a boolean or text; for a duration, its seconds or minutes.",
        )
    if isinstance(column.dtype, pl.Array):
        raise DataError(
            "data.bad_label",
            f"the label '{column.name}' is a list of numbers, which cannot be predicted",
            "Make it one number, a boolean or text.",
        )
    if column.null_count() == column.len():
        raise DataError(
            "data.no_labels",
            f"the label '{column.name}' is null in every row",
            "Check [data] label; without a known label nothing can be trained.",
        )
    # Tables without whole-number nulls turn classes 0 and 1 into 0.0 and 1.0.
    if column.dtype == pl.Float64 and bool((column.drop_nulls() % 1 == 0).all()):
        return column.cast(pl.Int64)
    return column
