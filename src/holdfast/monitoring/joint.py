"""How the inputs go together: counted pair by pair, for drift that no column shows alone.

Each column is put into three groups (thirds of the reference, or its two most frequent categories
and the others); of each pair of columns a 3 × 3 table is counted. The tables are counts, so they
merge by addition, and they are net of the margins when compared
(:mod:`holdfast.statistics.dependence`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.monitoring.cells import PREDICTION, as_numbers, text_of
from holdfast.monitoring.season import PARTITIONS, packed
from holdfast.monitoring.tally import HOUR, Groups, Tally, group, only_rows
from holdfast.monitoring.usual import between_days, days_apart, full_days
from holdfast.records import Between, Bins, Joint, Season, Thirds
from holdfast.statistics.dependence import dependence_distance, rake

JOINT = "*joint"
"""Name of the stored column; not one that a feature can have in a spec."""
COLUMNS = 24
_WORD = 64  # rows
_WORDS = 256  # whose crossings with all columns stay in the processor's cache

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


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
    series = [columns[one.column] for one in found]
    rows = series[0].len()
    units = np.zeros(rows, dtype=np.int64) if days is None else days
    groups = group(units * HOUR, None, [""])
    tables = np.array(list(_tables(groups, series, found)))
    joint = Joint(columns=found, counts=tuple(tables.sum(axis=0).ravel().tolist()))
    if days is None:
        return joint
    return msgspec.structs.replace(joint, between=_between(tables, np.unique(days), follows))


def pairs_by_hour(
    columns: Mapping[str, pl.Series], joint: Joint, season: Season, hours: NDArray[np.intp]
) -> dict[str, bytes]:
    """The tables of pairs of columns that both have a season, for :class:`Season`.

    Args:
        columns: the held-out rows.
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
    series = [columns[one.column] for one in joint.columns]
    found = np.array(list(_tables(groups, series, joint.columns)))[:, places]
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


def tally_joint(groups: Groups, columns: Mapping[str, pl.Series], joint: Joint) -> Tally:
    """Counts the tables of all pairs for all groups, as one column."""
    series = [columns[one.column] for one in joint.columns]
    table = np.array(list(_tables(groups, series, joint.columns))).reshape(len(groups.keys), -1)
    owner, cells = np.nonzero(table)
    rows = np.diff(groups.bounds)
    return Tally(JOINT, groups.keys, owner, cells, table[owner, cells], only_rows(rows))


def joint_counts(joint: Joint) -> Counts:
    """(P, 3, 3) tables of the held-out rows."""
    return np.asarray(joint.counts, dtype=np.int64).reshape(-1, 3, 3)


def _tables(
    groups: Groups, series: Sequence[pl.Series], columns: Sequence[Thirds]
) -> Iterator[Counts]:
    """(P, 3, 3) tables of each group of rows."""
    every = [_members(column, one) for column, one in zip(series, columns, strict=True)]
    if groups.order is not None:
        every = [flags[:, groups.order] for flags in every]
    for run in groups.runs():
        bits = np.stack([_packed(flags[:, run]) for flags in every])
        parts = range(0, bits.shape[2], _WORDS)
        yield np.sum([_crossed(bits[:, :, start : start + _WORDS]) for start in parts], axis=0)


def _members(series: pl.Series, one: Thirds) -> Flags:
    """(3, n) which group each row belongs to; none where it is null."""
    if one.categories:
        text = text_of(series, one.categories)
        there = text.is_not_null().to_numpy()
        own = [(text == value).fill_null(value=False).to_numpy() for value in one.categories]
        return np.stack([*own, there & ~own[0] & ~own[1]])
    values = as_numbers(series)
    low, high = values <= one.cuts[0], values > one.cuts[-1]
    return np.stack([low, ~(low | high | np.isnan(values)), high])


def _packed(flags: Flags) -> NDArray[np.uint64]:
    """(3, n) flags as bits, 64 rows a word."""
    bits = np.packbits(flags, axis=1)
    padded = np.zeros((3, -(-flags.shape[1] // _WORD) * 8), dtype=np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)


def _crossed(bits: NDArray[np.uint64]) -> Counts:
    """(columns, 3, words) → (P, 3, 3) rows that are in a group of one column and in one of the
    other.
    """
    found = [
        np.bitwise_count(one[None, :, None] & bits[i + 1 :, None]).sum(axis=-1, dtype=np.int64)
        for i, one in enumerate(bits[:-1])
    ]
    return np.concatenate(found)
