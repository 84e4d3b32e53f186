"""How the inputs go together: counted pair by pair, for drift that no column shows alone.

Each column is put into three groups (thirds of the reference, or its two most frequent categories
and the others); of each pair of columns a 3 × 3 table is counted. The tables are counts, so they
merge by addition, and they are net of the margins when compared
(:mod:`holdfast.statistics.dependence`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.monitoring.cells import PREDICTION, Indices, as_numbers
from holdfast.monitoring.moments import runs_within
from holdfast.monitoring.season import PARTITIONS, packed
from holdfast.monitoring.tally import HOUR, Groups, Read, Tally, group, occupied, only_rows, read
from holdfast.monitoring.usual import between_days, days_apart, full_days
from holdfast.records import Between, Bins, Joint, Season, Thirds
from holdfast.statistics.dependence import dependence_distance, rake

JOINT = "*joint"
"""Name of the stored column; not one that a feature can have in a spec."""
COLUMNS = 24
_NULL = 3  # belongs to no third
_WORD = 64  # rows
_WORDS = 256  # whose crossings with all columns stay in the processor's cache

Counts = NDArray[np.int64]
Codes = NDArray[np.uint8]


class Tables(NamedTuple):
    """The stored column of all pairs, for :func:`~holdfast.monitoring.merge.blocks`."""

    column: str
    cells: int


def tables_of(joint: Joint | None) -> list[Tables]:
    """The stored column of a reference; none in bundles made before there was one."""
    return [] if joint is None else [Tables(JOINT, len(joint.counts))]


def pairs(joint: Joint) -> list[tuple[str, str]]:
    """The names of each pair, in the order of the tables."""
    return list(combinations([one.column for one in joint.columns], 2))


def thirds(bins: Bins, series: pl.Series) -> Thirds | None:
    """The coarse groups of one column; None when they would all be one."""
    if bins.kind == "categorical":
        if len(bins.categories) < 2:
            return None
        return Thirds(column=bins.column, categories=bins.categories[:2])
    values = as_numbers(series)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    below = np.nextafter(values.max(), -np.inf)
    cuts = np.unique(np.minimum(np.quantile(values, [1 / 3, 2 / 3]), below))
    cuts = cuts[cuts >= values.min()]
    return Thirds(column=bins.column, cuts=tuple(cuts.tolist())) if cuts.size else None


def freeze_joint(
    columns: Mapping[str, pl.Series],
    bins: Mapping[str, Bins],
    bin_loss: Mapping[str, tuple[float, ...]],
    days: Counts | None,
    follows: float = 0.0,
) -> Joint | None:
    """What the held-out rows say of the pairs of inputs; None when there is no pair.

    Args:
        columns: the held-out rows.
        bins: of each column.
        bin_loss: mean loss in the cells of each column. Of more than 24 columns those are taken in
            which it varies most.
        days: (n,) day of each row.
        follows: how much a day resembles the next.
    """
    features = [name for name, one in bins.items() if name != PREDICTION and not one.view]
    ranked = sorted(features, key=lambda name: -float(np.std(bin_loss[name])))[:COLUMNS]
    known = (thirds(bins[name], columns[name]) for name in features if name in ranked)
    found = tuple(one for one in known if one is not None)
    if len(found) < 2:
        return None
    every = _read(columns, bins, found)
    units = np.zeros(every[0].size, dtype=np.int64) if days is None else days
    tables = _tables(group(units * HOUR, None, [""]), every)
    joint = Joint(columns=found, counts=tuple(tables.sum(axis=0).ravel().tolist()))
    if days is None:
        return joint
    return msgspec.structs.replace(joint, between=_between(tables, np.unique(days), follows))


def pairs_by_hour(
    columns: Mapping[str, pl.Series],
    bins: Mapping[str, Bins],
    joint: Joint,
    season: Season,
    hours: NDArray[np.intp],
) -> dict[str, bytes]:
    """The tables of pairs of columns that both have a season, for :class:`Season`.

    Args:
        columns: the held-out rows.
        bins: of each column.
        joint: what is known of the pairs.
        season: of the columns.
        hours: (n,) hour of the week of each row.
    """
    places = [
        place
        for place, pair in enumerate(pairs(joint))
        if all(name in season.columns for name in pair)
    ]
    if not places:
        return {}
    classes = PARTITIONS[season.by]
    groups = group(classes[hours].astype(np.int64) * HOUR, None, [""])
    found = _tables(groups, _read(columns, bins, joint.columns))[:, places]
    every = np.zeros((int(classes.max()) + 1, *found.shape[1:]), dtype=np.int64)
    every[[key[0] // HOUR for key in groups.keys]] = found
    return {str(place): packed(every[:, i]) for i, place in enumerate(places)}


def _between(tables: Counts, days: Counts, follows: float) -> Between | None:
    """How far days lie from the others by themselves, by pair; None when they are too few."""
    full = full_days(tables[:, 0].sum(axis=(-2, -1)))
    away = []
    for k, rest in zip(full, days_apart(days, full), strict=True):
        others, one = tables[rest].sum(axis=0), tables[k][None]
        away.append(dependence_distance(others, one, rake(others, one)))
    if not away:
        return None
    return between_days([one.value[0] for one in away], [one.chance[0] for one in away], follows)


def tally_joint(groups: Groups, columns: Mapping[str, Codes], joint: Joint) -> Tally:
    """Counts the tables of all pairs for all groups, as one column.

    Args:
        groups: of the rows.
        columns: (n,) of each column of ``joint``, see :func:`coded`.
        joint: the columns.
    """
    table = _tables(groups, [columns[one.column] for one in joint.columns])
    owner, cells, counts = occupied(table.reshape(len(groups.keys), -1))
    rows = np.diff(groups.bounds)
    return Tally(JOINT, groups.keys, owner, cells, counts, only_rows(rows))


def joint_counts(joint: Joint) -> Counts:
    """(P, 3, 3) tables of the held-out rows."""
    return np.asarray(joint.counts, dtype=np.int64).reshape(-1, 3, 3)


def coded(column: Read, bins: Bins, one: Thirds) -> Codes:
    """(n,) which third each row of a column, as it was read, belongs to; 3 where it is null."""
    if one.categories:
        of = np.full(bins.cells, 2, dtype=np.uint8)
        of[:2], of[-1] = (0, 1), _NULL
        return of[column]
    above = (column > one.cuts[0]).view(np.uint8) + (column > one.cuts[-1]).view(np.uint8)
    nulls = np.isnan(column)
    return np.where(nulls, np.uint8(_NULL), above) if nulls.any() else above


def _read(
    columns: Mapping[str, pl.Series], bins: Mapping[str, Bins], thirds: Iterable[Thirds]
) -> list[Codes]:
    return [
        coded(read(columns[one.column], bins[one.column]), bins[one.column], one) for one in thirds
    ]


def _tables(groups: Groups, columns: Sequence[Codes]) -> Counts:
    """(groups, P, 3, 3) tables.

    Rows are bits, 64 a word, and each group begins a word of its own: a word of one column crossed
    with that of another counts 64 rows at once.
    """
    sizes = np.diff(groups.bounds)
    words = -(-sizes // _WORD)
    begins = np.cumsum(words) - words
    bits = np.stack([_packed(one, groups, begins * _WORD, int(words.sum())) for one in columns])
    pairs = len(columns) * (len(columns) - 1) // 2
    result = np.zeros((sizes.size, pairs, 3, 3), dtype=np.int64)
    for start in range(0, bits.shape[2], _WORDS):
        part = bits[:, :, start : start + _WORDS]
        runs, places = runs_within(begins, start, start + part.shape[2])
        result[runs] += _crossed(part, places)
    return result


def _packed(column: Codes, groups: Groups, begins: Indices, words: int) -> NDArray[np.uint64]:
    """(3, words) which rows belong to each third, those of each group from its place on."""
    padded = np.full(words * _WORD, _NULL, dtype=np.uint8)
    column = column if groups.order is None else column[groups.order]
    for begin, run in zip(begins.tolist(), groups.runs(), strict=True):
        padded[begin : begin + run.stop - run.start] = column[run]
    return np.stack([np.packbits(padded == third).view(np.uint64) for third in range(3)])


def _crossed(bits: NDArray[np.uint64], places: Indices) -> Counts:
    """(columns, 3, words) → (runs, P, 3, 3) rows that are in one third and in another."""
    found = []
    for i, one in enumerate(bits[:-1]):
        both = np.bitwise_count(one[None, :, None] & bits[i + 1 :, None])
        found.append(np.add.reduceat(both, places, axis=-1, dtype=np.int64))
    return np.moveaxis(np.concatenate(found), -1, 0)
