"""A history counted in pieces, from files, is what counting all of its rows at once gives."""

from __future__ import annotations

import itertools

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import DataError
from holdfast.monitoring import history, tally
from holdfast.monitoring.count import count
from holdfast.monitoring.history import add_up, summarise, summarise_partitions

NAMED = {"model": "late", "version": 2, "slices": ["origin"]}


def _files(frame: pl.DataFrame, folder, pieces: int) -> pl.LazyFrame:
    for i in range(pieces):
        frame[i::pieces].write_parquet(folder / f"{i}.parquet")
    return pl.scan_parquet(folder / "*.parquet")


@pytest.mark.parametrize("batch", [97, 4000, history.BATCH])
def test_files_give_what_the_recorder_counts(
    world, reference, tmp_path, monkeypatch, batch
) -> None:
    """However large the pieces are that are counted at once."""
    monkeypatch.setattr(history, "BATCH", batch)
    frame = world(31, rows=9000, days=2).sample(fraction=1.0, shuffle=True, seed=1)
    found = summarise(_files(frame, tmp_path, 3), reference, **NAMED)
    assert found.equals(count(frame, reference, **NAMED))


@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 3000), max_size=4))
@settings(max_examples=20, deadline=None)
def test_any_split_and_order_gives_the_same_bits(world, reference, seed, cuts) -> None:
    frame = world(32, rows=3000).sample(fraction=1.0, shuffle=True, seed=seed)
    edges = sorted({0, 3000, *cuts})
    parts = [count(frame[a:b], reference, **NAMED) for a, b in itertools.pairwise(edges)]
    assert add_up(parts, reference).equals(count(world(32, rows=3000), reference, **NAMED))


def test_both_ways_of_counting_are_the_same(world, reference, monkeypatch) -> None:
    frame = world(33, rows=6_000, days=2).sample(fraction=1.0, shuffle=True, seed=3)
    found = []
    for rows in (1, 10**9):
        monkeypatch.setattr(tally, "_LONG", rows)
        found.append(count(frame, reference, **NAMED))
    assert found[0].equals(found[1])


def test_many_pieces_are_added_up_on_the_way(world, reference, monkeypatch) -> None:
    monkeypatch.setattr(history, "_PENDING", 3)
    frame = world(34, rows=500)
    parts = (count(frame[i::20], reference, **NAMED) for i in range(20))
    assert add_up(parts, reference).equals(count(frame, reference, **NAMED))


def test_without_times_all_is_one_hour(world, reference) -> None:
    frame = world(35, rows=800)
    found = summarise(frame.drop("at").lazy(), reference, model="m", version=1, at_column=None)
    assert found["hour"].n_unique() == 1
    *columns, joint = found["counts"].list.sum().to_list()
    assert columns == [800] * len(reference.bins)
    assert joint < 800 * len(reference.joint.counts) // 9  # not where one of a pair is null


def test_an_empty_history_gives_nothing(world, reference) -> None:
    assert summarise(world(36, rows=5).head(0).lazy(), reference, **NAMED).height == 0


def test_a_missing_column_is_named(world, reference) -> None:
    with pytest.raises(DataError, match="'rain'"):
        summarise(world(37, rows=50).drop("rain").lazy(), reference, **NAMED)


def test_partitions_in_any_order_give_the_same_bits(world, reference) -> None:
    frame = world(38, rows=900, days=2)
    partitions = [frame[i::4].lazy() for i in range(4)]

    def backwards(function, items):
        return (function(item) for item in reversed(items))

    found = summarise_partitions(partitions, reference, backwards, **NAMED)
    assert found.equals(count(frame, reference, **NAMED))
    assert found.equals(summarise_partitions(partitions, reference, **NAMED))
