"""Ids that have a label, known by their hashes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.recording import parquet
from holdfast.recording.seen_ids import SeenIds

TEXTS = st.lists(st.text(max_size=3), min_size=1, max_size=8)


def ids(texts: list[str]) -> pl.Series:
    return pl.Series("id", texts, dtype=pl.String)


@given(batches=st.lists(TEXTS, max_size=4), asked=TEXTS)
def test_what_is_there_is_found(tmp_path_factory, batches, asked) -> None:
    folder, seen = tmp_path_factory.mktemp("labels"), SeenIds()
    for number, batch in enumerate(batches):
        parquet.write(ids(batch).to_frame(), folder / f"labels-{number}.parquet")
        seen.read(parquet.live_files(folder))
    everything = {one for batch in batches for one in batch}
    assert seen.has(ids(asked)) == bool(everything & set(asked))


def test_merged_files_are_not_read_again(tmp_path: Path) -> None:
    seen, late = SeenIds(), SeenIds()
    for number in range(parquet.FAN_IN):
        parquet.write(ids([f"i{number}"]).to_frame(), tmp_path / f"labels-{number:02d}.parquet")
    seen.read(parquet.live_files(tmp_path))
    merged = parquet.merge(tmp_path, "labels", "id")
    assert merged is not None
    late.read(parquet.live_files(tmp_path))
    for one in (seen, late):
        assert one.has(ids(["new", "i7"]))
        assert not one.has(ids(["new"]))
    assert len(seen._hashes) == len(late._hashes) == parquet.FAN_IN


def test_what_could_not_be_read_is_read_the_next_time(tmp_path: Path) -> None:
    seen, bad = SeenIds(), tmp_path / "labels-1.parquet"
    parquet.write(ids(["a"]).to_frame(), tmp_path / "labels-0.parquet")
    bad.write_bytes(b"cut off")
    with pytest.raises(pl.exceptions.ComputeError):
        seen.read(parquet.live_files(tmp_path))
    parquet.write(ids(["b"]).to_frame(), bad)
    seen.read(parquet.live_files(tmp_path))
    assert seen.has(ids(["a"]))
    assert seen.has(ids(["b"]))
