"""The season of the held-out rows: what to expect of a window by the hours of the week it covers.

Night is not like day and Sunday not like Monday. A window that covers other hours than the held-out
rows is held against those of the same hours: their counts, weighted as the window has its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.monitoring.grouping import groups_of
from holdfast.records import Bins, Season

HOURS = 168
LEAST_ROWS = 100  # of each class of hours
LEAST_DAYS = 3  # that each class was seen on
LEAST_EFFECT = 0.05
_DAY = 86_400_000_000
_SURE = 9.0  # times what days alone would make of it

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

_HOUR = np.arange(HOURS) % 24
_WEEKEND = np.arange(HOURS) // 24 >= 5
PARTITIONS: dict[str, NDArray[np.intp]] = {
    "hour of the week": np.arange(HOURS),
    "hour of the day, weekends apart": _HOUR + 24 * _WEEKEND,
    "hour of the day": _HOUR,
    "quarter of the day, weekends apart": _HOUR // 6 + 4 * _WEEKEND,
    "quarter of the day": _HOUR // 6,
}
"""Classes of hours, from fine to coarse; the first that the held-out rows bear is taken."""


def hour_of_week(micros: ArrayLike) -> NDArray[np.intp]:
    """The hour of the week (UTC) of times in microseconds since 1970, 0 from Monday at midnight.

    >>> hour_of_week([0, 4 * 86_400_000_000]).tolist()  # a Thursday and the Monday after
    [72, 0]
    """
    hours = np.asarray(micros, dtype=np.int64) // 3_600_000_000
    return np.asarray((hours + 72) % HOURS, dtype=np.intp)


def partition(hours: NDArray[np.intp], days: NDArray[np.int64], most: int = HOURS) -> str:
    """The finest classes of hours of which each that occurs has enough rows, on enough days.

    Args:
        hours: (n,) hour of the week of each held-out row.
        days: (n,) its day.
        most: classes that there may be.

    Returns:
        A key of :data:`PARTITIONS`; empty when the rows span too little.
    """
    day = np.unique(days, return_inverse=True)[1]
    for name, classes in PARTITIONS.items():
        number = int(classes.max()) + 1
        if number > most:
            continue
        rows = np.bincount(classes[hours], minlength=number)
        seen = np.unique(classes[hours] * (int(day.max()) + 1) + day) // (int(day.max()) + 1)
        on = np.bincount(seen, minlength=number)
        there = rows > 0
        if (rows[there] >= LEAST_ROWS).all() and (on[there] >= LEAST_DAYS).all():
            return name
    return ""


def is_seasonal(tables: Counts) -> bool:
    """Whether a column differs between classes of hours, by more than its days make it differ.

    Days are the units: the variance of each class's mean is taken from its days (a cluster-robust
    "sandwich", Liang, Zeger 1986), so that a few odd days make no season.

    Args:
        tables: (days, classes, cells) counts.
    """
    rows = tables.sum(axis=-1)
    total = rows.sum(axis=0)
    mean = tables.sum(axis=0) / np.maximum(total, 1)[:, None]
    whole = tables.sum(axis=(0, 1)) / max(float(total.sum()), 1.0)
    away = tables - rows[..., None] * mean
    noise = (away**2).sum(axis=(0, 2)) / np.maximum(total, 1) ** 2
    signal = ((mean - whole) ** 2).sum(axis=-1)
    moved = np.abs(mean - whole).sum(axis=-1) / 2
    weight = total / max(float(total.sum()), 1.0)
    large = float(weight @ moved) > LEAST_EFFECT
    return large and float(weight @ signal) > _SURE * float(weight @ noise)


def by_hour(
    bins: Iterable[Bins], cells: Mapping[str, NDArray[np.intp]], micros: Counts, most: int = HOURS
) -> tuple[Season, dict[str, Counts]]:
    """What the held-out rows were like at which hours.

    Args:
        bins: the columns.
        cells: column → (n,) cell of each row.
        micros: (n,) time of each row.
        most: classes of hours that there may be.

    Returns:
        The season, without pairs; and of each column that has one (days, classes, groups) counts.
    """
    days = micros // _DAY
    hours = hour_of_week(micros)
    by = partition(hours, days, most)
    if not by:
        return Season(), {}
    number = int(PARTITIONS[by].max()) + 1
    day = np.unique(days, return_inverse=True)[1]
    place = day * number + PARTITIONS[by][hours]
    tables = {}
    for one in bins:
        groups = groups_of(one, np.bincount(cells[one.column], minlength=one.cells))
        width = int(groups.max()) + 1
        flat = np.bincount(
            place * width + groups[cells[one.column]],
            minlength=(int(day.max()) + 1) * number * width,
        )
        table = flat.reshape(-1, number, width)
        if is_seasonal(_coarser(table, by)):
            tables[one.column] = table
    kept = {name: packed(table.sum(axis=0)) for name, table in tables.items()}
    return Season(by=by, columns=kept), tables


def _coarser(table: Counts, by: str) -> Counts:
    """(days, classes, groups) in quarters of the day, where a season shows best."""
    quarters = "quarter of the day, weekends apart"
    if by not in ("hour of the week", "hour of the day, weekends apart", quarters):
        quarters = "quarter of the day"
    member = np.zeros((table.shape[1], int(PARTITIONS[quarters].max()) + 1), dtype=np.int64)
    member[PARTITIONS[by], PARTITIONS[quarters]] = 1
    return np.asarray(np.einsum("dcg,cq->dqg", table, member))


def in_words(season: Season | None) -> str:
    """What a window is held against.

    >>> in_words(Season(by="hour of the day", columns={"load": b""}))
    '1 column against the same hour of the day, the others against all held-out rows'
    """
    if season is None or not season.by:
        return "all held-out rows: they span too little to tell hours of the week apart"
    if not season.columns:
        return "all held-out rows: no column differs by hour of the week"
    many = f"{len(season.columns)} column{'s' if len(season.columns) > 1 else ''}"
    return f"{many} against the same {season.by}, the others against all held-out rows"


def classes_of(season: Season, hours: Counts) -> Floats:
    """(N, classes) rows, from (N, 168) rows by hour of the week."""
    classes = PARTITIONS[season.by]
    member = np.zeros((HOURS, int(classes.max()) + 1))
    member[np.arange(HOURS), classes] = 1.0
    return np.asarray(hours @ member)


def column_table(season: Season, column: str, groups: int) -> Floats | None:
    """(classes, groups) counts of the held-out rows; None when the column has no season."""
    known = season.columns.get(column)
    return None if known is None else _unpacked(known, groups)


def pair_tables(season: Season) -> dict[int, Floats]:
    """Place of the pair → (classes, 9) counts."""
    return {int(place): _unpacked(known, 9) for place, known in season.pairs.items()}


def expected(table: Floats, rows: Floats) -> Floats:
    """(…, N, cells) counts to hold windows against: shares as expected, of the rows they weigh.

    A mean of the classes' shares, weighted as the window has its rows, is known as well as that of
    1/Σ(w²/m) rows. Hours that were never held out are expected to be like all others together.

    Args:
        table: (…, classes, cells) counts of the held-out rows; leading axes are separate columns.
        rows: (N, classes) rows of each window.

    >>> night_and_day = np.array([[80.0, 20.0], [20.0, 80.0]])
    >>> expected(night_and_day, np.array([[5.0, 5.0], [0.0, 7.0]])).tolist()
    [[100.0, 100.0], [20.0, 80.0]]
    """
    known = table.sum(axis=-1, keepdims=True)
    whole = table.sum(axis=-2, keepdims=True)
    every = np.maximum(whole.sum(axis=-1, keepdims=True), 1.0)
    share = np.where(known > 0, table / np.maximum(known, 1), whole / every)
    size = np.where(known > 0, known, every).swapaxes(-2, -1)
    total = rows.sum(axis=-1, keepdims=True)
    usual = (known / every).swapaxes(-2, -1)
    weight = np.where(total > 0, rows / np.maximum(total, 1), usual)
    effective = 1 / np.maximum((weight**2 / size).sum(axis=-1, keepdims=True), 1e-12)
    return np.asarray(weight @ share * effective)


def packed(table: ArrayLike) -> bytes:
    """A table as it is kept."""
    return np.ascontiguousarray(table, dtype="<u4").tobytes()


def _unpacked(data: bytes, cells: int) -> Floats:
    return np.frombuffer(data, dtype="<u4").reshape(-1, cells).astype(np.float64)
