from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from holdfast.data.fingerprint import content_id, in_order
from holdfast.data.schema import normalise
from holdfast.data.versions import open_version, read_manifest, snapshot
from holdfast.errors import DataError, NotFoundError
from holdfast.spec import Data

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SpecOf = Callable[..., Data]

CELLS = {
    "n": st.none() | st.integers(-3, 3),
    "x": st.none() | st.sampled_from([0.0, -0.0, 1.5, -2.25, float("nan"), float("inf")]),
    "b": st.none() | st.booleans(),
    "s": st.none() | st.text("aé☃", max_size=2),
}
DTYPES = {"n": pl.Int64, "x": pl.Float64, "b": pl.Boolean, "s": pl.String}
TABLES = st.lists(st.tuples(st.integers(0, 3), *CELLS.values()), min_size=1, max_size=8)


def _frame(cells: list[tuple[Any, ...]]) -> pl.DataFrame:
    schema = {"at": pl.Int64, **DTYPES}
    frame = pl.DataFrame(cells, schema=schema, orient="row")
    at = pl.date(2026, 1, 31) + pl.duration(days=pl.col("at"))
    return normalise(frame.with_columns(at=at))


def _id(frame: pl.DataFrame) -> str:
    return content_id(in_order(frame, ["at"]))


@settings(deadline=None)
@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_chunks_does_not_count(cells: list[tuple[Any, ...]], random) -> None:
    shuffled = list(cells)
    random.shuffle(shuffled)
    pieces = pl.concat([_frame([row]) for row in shuffled], rechunk=False)

    assert _id(pieces) == _id(_frame(cells))


@settings(deadline=None)
@given(TABLES, st.data())
def test_one_changed_cell_is_another_version(cells: list[tuple[Any, ...]], data) -> None:
    row = data.draw(st.integers(0, len(cells) - 1))
    column = data.draw(st.integers(1, 4))
    changed = [list(values) for values in cells]
    changed[row][column] = data.draw(list(CELLS.values())[column - 1])
    before, after = _frame(cells), _frame(changed)
    same = in_order(before, ["at"]).equals(in_order(after, ["at"]))

    assert (_id(before) == _id(after)) == same


@settings(deadline=None)
@given(TABLES)
def test_equal_cells_in_other_types_of_memory_are_the_same(cells: list[tuple[Any, ...]]) -> None:
    frame = _frame(cells)
    other = frame.with_columns(
        pl.col("n").cast(pl.Int8),
        pl.col("s").cast(pl.Categorical),
        pl.col("x").fill_null(float("nan")).replace(0.0, -0.0),
    )

    assert _id(normalise(other)) == _id(frame)


def test_names_types_and_text_borders_count() -> None:
    def of(values: list[Any], name: str = "a") -> str:
        return content_id(normalise(pl.DataFrame({name: values})))

    distinct = [
        of(["ab", "c"]), of(["a", "bc"]), of(["abc"]), of(["abc"], "b"), of([""]), of([None]),
        of([1]), of([1.0]), of([True]), of([0]),
    ]  # fmt: skip

    assert len(set(distinct)) == len(distinct)


def test_slices_of_larger_frames_are_read_from_their_own_start(rows: pl.DataFrame) -> None:
    copied = pl.DataFrame(rows[10:20].to_dict(as_series=False), schema=rows.schema)

    assert content_id(rows[10:20]) == content_id(copied)


def test_a_version_is_kept_by_month_and_read_back(rows, blobs, spec_of: SpecOf) -> None:
    shuffled = rows.sample(fraction=1, shuffle=True, seed=1)

    version = snapshot(shuffled, model="shop", data=spec_of(), source="s.csv", blobs=blobs, now=NOW)

    assert len(version.files) == 3  # January to March
    assert sum(file.rows for file in version.files) == version.rows == rows.height
    assert (version.start, version.end) == (rows["at"][0], rows["at"][-1])
    assert_frame_equal(open_version(version, blobs), rows)
    assert read_manifest(version.id, blobs) == version
    assert all(key.startswith("datasets/") for key in blobs.content)


def test_the_same_content_is_the_version_that_is_there(rows, blobs, spec_of: SpecOf) -> None:
    def keep(model: str, source: str, now: datetime):
        return snapshot(rows, model=model, data=spec_of(), source=source, blobs=blobs, now=now)

    first = keep("shop", "a.csv", NOW)
    before = dict(blobs.content)
    again = keep("shop", "b.csv", NOW + timedelta(days=1))
    other = keep("store", "b.csv", NOW)

    assert again == first
    assert (other.id, other.files, other.model) == (first.id, first.files, "store")
    assert blobs.content == before


def test_months_that_did_not_change_are_kept_once(rows, blobs, spec_of: SpecOf) -> None:
    january = rows.filter(pl.col("at").dt.month() == 1)
    keep = {"model": "shop", "data": spec_of(), "source": "s", "blobs": blobs, "now": NOW}

    first = snapshot(january, **keep)
    second = snapshot(rows, **keep)

    assert first.files[0] == second.files[0]
    assert first.id != second.id


def test_passwords_are_not_kept(rows, blobs, spec_of: SpecOf) -> None:
    source = "postgresql://ann:geheim@db/shop"

    version = snapshot(rows, model="m", data=spec_of(), source=source, blobs=blobs, now=NOW)

    assert version.source == "postgresql://ann:***@db/shop"
    assert not any(b"geheim" in content for content in blobs.content.values())


def test_a_changed_file_is_found(rows, blobs, spec_of: SpecOf) -> None:
    version = snapshot(rows, model="m", data=spec_of(), source="s", blobs=blobs, now=NOW)
    key = f"datasets/{version.files[0].sha256}.parquet"
    blobs.content[key] = blobs.content[key][:-1] + b"?"

    with pytest.raises(DataError, match="was changed"):
        open_version(version, blobs)


def test_a_version_that_is_not_there(blobs) -> None:
    with pytest.raises(NotFoundError):
        read_manifest("sha256:00", blobs)


def test_no_rows_are_no_version(rows, blobs, spec_of: SpecOf) -> None:
    with pytest.raises(DataError, match="no rows"):
        snapshot(rows.clear(), model="m", data=spec_of(), source="s", blobs=blobs, now=NOW)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None
)
@given(TABLES)
def test_whatever_is_kept_comes_back(cells: list[tuple[Any, ...]]) -> None:
    from types import SimpleNamespace

    content: dict[str, bytes] = {}
    store = SimpleNamespace(
        put=content.__setitem__, get=content.__getitem__, exists=content.__contains__
    )
    frame = _frame(cells)
    data = Data(source="s", time="at", label="n", features=("x", "b", "s"))

    version = snapshot(frame, model="m", data=data, source="s", blobs=store, now=NOW)

    assert_frame_equal(open_version(version, store), in_order(frame, ["at"]))
