"""Reads a history: rows in order of time, with what turned out to be true and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import polars as pl

from holdfast.data import sources
from holdfast.data.files import columns_in, read_files
from holdfast.data.naming import missing_column, one_of
from holdfast.data.schema import normalise
from holdfast.errors import DataError, UsageError
from holdfast.ports.user_code import UserCode
from holdfast.spec import Data, Task

ROW = "_row"
"""Column of a history that names each row."""
KNOWN = "_known"
"""Column of a history: when its label became known; null where it never did."""

LEAST_ROWS = 200
FIRST_SHARE = 0.25
_CLASSES = 30
_TEXT_SHARE = 0.5  # of distinct values: more, and a text column names rows instead of kinds


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """What the columns of a history mean, as far as the command line says.

    Args:
        time: the moment the prediction is made.
        label: what turned out to be true.
        label_time: when it became known; without it ``label_delay`` after the prediction.
        prediction: what an existing model answered.
        id: the caller's own id.
        features: columns the model may use; all that fit by default.
    """

    time: str | None = None
    label: str | None = None
    label_time: str | None = None
    label_delay: timedelta | None = None
    prediction: str | None = None
    id: str | None = None
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """Rows in order of time.

    Args:
        rows: the columns of :func:`holdfast.data.sources.columns_of`, ``_row`` and ``_known``, and
            the prediction's, if there is one.
        data: what the columns mean.
        left_out: columns that were not taken as features, each with the reason.
    """

    rows: pl.DataFrame
    data: Data
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Time of the first and of the last row."""
        times = self.rows[self.data.time]
        return times[0], times[-1]

    def begin(self, start: datetime | None) -> datetime:
        """When the replay begins: as asked for, or after the first quarter of the time.

        Raises:
            UsageError: when nothing would be left to train on, or to replay.
        """
        first, last = self.span
        moment = start or first + FIRST_SHARE * (last - first)
        if start is None:  # at midnight, if that leaves something to train on
            midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
            moment = midnight if midnight > first else moment.replace(second=0, microsecond=0)
        known = self.rows.filter(pl.col(KNOWN) <= moment)
        if known.height < LEAST_ROWS or moment >= last:
            raise UsageError(
                "replay.start",
                f"{known.height:,} rows have a label that was known at {moment:%Y-%m-%d %H:%M}, "
                f"and the last row is of {last:%Y-%m-%d %H:%M}",
                f"Begin with --start at a time that leaves at least {LEAST_ROWS} labelled rows to "
                "train on, and rows to replay.",
            )
        return moment


def read_project(data: Data, columns: Columns, root: Path, user_code: UserCode) -> History:
    """A project's history: its own source, or files with the same columns.

    Args:
        data: ``[data]`` of its spec, with the source that is meant.
        columns: what the command line says otherwise.
        root: the project's folder.
        user_code: runs the loader when the source is one.

    Raises:
        DataError: when the rows cannot be read or do not fit.
        UserCodeError: when the loader fails.
    """
    asked = msgspec.structs.asdict(columns)
    names = ("time", "label", "label_time", "label_delay", "id")
    changed = {name: asked[name] for name in names if asked[name] is not None}
    if "label_delay" in changed and "label_time" not in changed:
        changed["label_time"] = None
    if columns.features:
        changed["features"] = columns.features
    meant = msgspec.structs.replace(data, **changed)
    return _history(sources.read(meant, root, user_code), meant)


def read_table(source: str, root: Path, columns: Columns) -> History:
    """The history of files alone, without a project: everything else is inferred.

    Raises:
        UsageError: when time or label are not named.
        DataError: when the rows cannot be read or do not fit.
    """
    known = columns_in(source, root)
    if columns.time is None or columns.label is None:
        raise UsageError(
            "replay.columns",
            "without a project a history needs its columns named",
            f"Give --time and --label; there are {one_of(pl.Series(known))}.",
        )
    roles = (columns.time, columns.label, columns.label_time, columns.prediction, columns.id)
    for name in (*(one for one in roles if one), *columns.features):
        if name not in known:
            raise missing_column(name, list(known), source)
    raw = read_files(source, root, known)
    wanted = columns.features or tuple(name for name in known if name not in roles)
    features, left_out = _usable(raw, wanted, given=bool(columns.features))
    if not features and columns.prediction is None:
        raise DataError(
            "replay.no_features", f"'{source}' has no column that a model could learn from",
            "Name some with --features, or watch an existing model with --prediction.",
        )  # fmt: skip
    data = Data(
        source=source, time=columns.time, label=columns.label, label_time=columns.label_time,
        label_delay=columns.label_delay or timedelta(0), id=columns.id,
        features=features or (columns.prediction or "",),
        keep=(columns.prediction,) if columns.prediction and features else (),
    )  # fmt: skip
    names = sources.columns_of(data)
    return _history(sources.check(raw.select(names), data), data, left_out)


def task_of(label: pl.Series) -> Task:
    """What is predicted, from the labels alone.

    Two values are binary, text and a few whole numbers are multiclass, all else is a regression.

    Raises:
        DataError: when there is one value only, or far too many classes.

    >>> task_of(pl.Series([0, 1, 1])), task_of(pl.Series(["a", "b", "c"]))
    ('binary', 'multiclass')
    >>> task_of(pl.Series([0.5, 1.25, 7.0]))
    'regression'
    """
    kinds = label.drop_nulls().n_unique()
    if kinds < 2:
        raise DataError(
            "replay.one_label", f"the label '{label.name}' has one value only",
            "Name the column of what turned out to be true with --label.",
        )  # fmt: skip
    if kinds == 2:
        return "binary"
    if label.dtype == pl.String:
        if kinds > _CLASSES:
            raise DataError(
                "replay.many_classes",
                f"the label '{label.name}' is text with {kinds:,} different values",
                "A label is a number, or one of a few classes; name another with --label.",
            )
        return "multiclass"
    return "multiclass" if label.dtype == pl.Int64 and kinds <= _CLASSES // 3 else "regression"


def positive_of(label: pl.Series) -> bool | int | str:
    """Which of two values is the positive class: the larger, as true, 1 or yes are."""
    value: bool | int | str = label.drop_nulls().unique().sort()[-1]
    return value


def _history(rows: pl.DataFrame, data: Data, left_out: tuple[tuple[str, str], ...] = ()) -> History:
    known = pl.col(data.label_time) if data.label_time else pl.col(data.time) + data.label_delay
    rows = rows.with_columns(
        pl.when(pl.col(data.label).is_not_null()).then(known).alias(KNOWN)
    ).with_row_index(ROW)
    rows = rows.with_columns(pl.col(ROW).cast(pl.String))
    first, last = rows[data.time][0], rows[data.time][-1]
    if rows.height < LEAST_ROWS or last - first < timedelta(days=1):
        raise DataError(
            "replay.too_short",
            f"the history has {rows.height:,} rows from {first:%Y-%m-%d %H:%M} to "
            f"{last:%Y-%m-%d %H:%M}",
            f"A replay needs at least {LEAST_ROWS} rows and more than a day.",
        )
    early = rows.filter(pl.col(KNOWN) < pl.col(data.time)).height
    if early:
        raise DataError(
            "replay.early_labels",
            f"{early:,} labels became known before their prediction was made",
            f"Check whether '{data.time}' is the time of the prediction and "
            f"'{data.label_time}' that of the label.",
        )
    return History(rows, data, left_out)


def _usable(
    raw: pl.DataFrame, names: tuple[str, ...], *, given: bool
) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The columns a model can use, and those it cannot with the reason."""
    if given:
        return names, ()
    kept, left = [], []
    for name in names:
        column = raw[name].drop_nulls()
        if column.n_unique() < 2:
            left.append((name, "it has one value only"))
        elif column.dtype.is_temporal():
            left.append((name, "it is a time"))
        elif (column.dtype.is_nested() and not _is_vector(column)) or column.dtype in (
            pl.Binary, pl.Object,
        ):  # fmt: skip
            left.append((name, f"it is of type {column.dtype}"))
        elif column.dtype == pl.String and column.n_unique() > _TEXT_SHARE * raw.height:
            left.append((name, "it is text that names single rows"))
        else:
            kept.append(name)
    return tuple(kept), tuple(left)


def _is_vector(column: pl.Series) -> bool:
    """Whether its lists are of numbers, and of one width."""
    try:
        return isinstance(normalise(column.to_frame()).dtypes[0], pl.Array)
    except DataError:
        return False
