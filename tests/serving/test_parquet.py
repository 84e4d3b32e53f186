from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.bundle.columns import to_values
from holdfast.errors import RequestError
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.invocations import read_json
from holdfast.serving.limits import Limits
from holdfast.serving.parquet import ParquetReader
from holdfast.serving.parquet_decode import Order, decode

LIMIT = 100
YEARS = datetime(1700, 1, 1), datetime(2200, 1, 1)  # noqa: DTZ001 (Hypothesis wants them so)


@pytest.fixture(scope="module")
def converter(toys: Any) -> Converter:
    return Converter(toys.signature_of("binary"), limit=LIMIT)


def parquet(table: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    if isinstance(table, pd.DataFrame):
        table.to_parquet(file, **options)
    else:
        pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), file, **options)
    return file.getvalue()


def read(body: bytes, converter: Converter, **limits: int) -> Rows:
    """As the process does it, without the process."""
    found = decode(Order(body, converter.limit, Limits(**limits).unpacked))
    return converter.columns(found.columns, found.rows)


def refusal(body: bytes, converter: Converter, **limits: int) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read(body, converter, **limits)
    return caught.value


def columns(toys: Any, rows: int = 2, **changed: Any) -> dict[str, Any]:
    return {name: [value] * rows for name, value in toys.ROW.items()} | changed


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "amount": st.none() | st.floats(allow_nan=False, allow_infinity=False),
                "age": st.floats(allow_nan=False, allow_infinity=False),
                "count": st.none() | st.integers(-(2**63), 2**63 - 1),
                "member": st.none() | st.booleans(),
                "city": st.none() | st.text(max_size=8),
                "since": st.none() | st.datetimes(*YEARS).map(datetime.isoformat),
            }
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_row_means_the_same_as_in_json(converter: Converter, rows: list[dict[str, Any]]) -> None:
    schema = pa.schema(
        [
            ("amount", pa.float64()), ("age", pa.float64()), ("count", pa.int64()),
            ("member", pa.bool_()), ("city", pa.string()), ("since", pa.timestamp("us")),
        ]
    )  # fmt: skip
    moments = [
        {**row, "since": None if row["since"] is None else datetime.fromisoformat(row["since"])}
        for row in rows
    ]
    found = read(parquet(pa.Table.from_pylist(moments, schema)), converter)
    expected = read_json(json.dumps({"dataframe_records": rows}).encode(), converter)
    assert json.dumps(recorded(found)) == json.dumps(recorded(expected))
    for name, array in found.columns.items():
        np.testing.assert_array_equal(array, expected.columns[name])


def test_what_pandas_writes(toys: Any, converter: Converter) -> None:
    frame = pd.DataFrame(columns(toys), index=pd.Index(["a", "b"]))
    frame["since"] = pd.Timestamp("2024-05-01 12:00", tz="Europe/Oslo")
    frame["city"] = frame["city"].astype("category")
    frame["amount"] = [1.5, np.nan]
    rows = read(parquet(frame), converter)
    assert recorded(rows)["amount"] == [1.5, None]
    assert rows.values["city"] == ["Oslo", "Oslo"]
    same = datetime(2024, 5, 1, 10, tzinfo=UTC).replace(tzinfo=None)
    assert rows.columns["since"][0] == np.datetime64(same)


def test_a_nan_that_is_no_null_is_missing_too(toys: Any, converter: Converter) -> None:
    body = parquet(columns(toys, amount=[float("nan"), 1.0]))
    assert recorded(read(body, converter))["amount"] == [None, 1.0]


def test_columns_and_cells_that_do_not_fit(toys: Any, converter: Converter) -> None:
    for changed in (
        {"amount": ["1", "2"]},
        {"more": [1, 2]},
        {"age": [None, 1.0]},
        {"amount": [float("inf"), 1.0]},
        {"city": [b"\xff", b"x"]},
        {"city": [["a"], ["b"]]},
        {"city": [{"a": 1}, {"a": 2}]},
        {"amount": pa.array([1, 2], pa.decimal128(20, 2))},
    ):
        found = refusal(parquet(columns(toys, **changed)), converter)
        assert found.status == 400, changed
        assert found.code.startswith("request."), changed
    few = columns(toys)
    del few["age"]
    assert refusal(parquet(few), converter).code == "request.missing_column"


def test_too_many_rows_are_known_from_the_footer(toys: Any, converter: Converter) -> None:
    body = parquet(columns(toys, LIMIT + 1))
    assert refusal(body, converter).code == "request.too_many_rows"
    assert refusal(parquet(columns(toys, 0)), converter).code in (
        "request.no_rows", "request.wrong_type", "request.malformed"
    )  # fmt: skip


def test_texts_that_repeat_are_counted_before_they_are_repeated(
    toys: Any, converter: Converter
) -> None:
    body = parquet(columns(toys, LIMIT, city=["x" * 10_000] * LIMIT), compression="none")
    assert len(body) < 50_000
    assert refusal(body, converter, unpacked=500_000).code == "request.too_large"
    assert read(body, converter, unpacked=2_000_000).count == LIMIT


@pytest.mark.parametrize("compression", ["gzip", "zstd", "brotli", "lz4"])
def test_compressions_that_can_blow_up(toys: Any, converter: Converter, compression: str) -> None:
    found = refusal(parquet(columns(toys), compression=compression), converter)
    assert (found.code, found.status) == ("request.encoding", 415)


def test_an_encoding_that_can_blow_up(toys: Any, converter: Converter) -> None:
    """Each text of DELTA_BYTE_ARRAY repeats a prefix of the one before."""
    body = parquet(
        columns(toys, city=["x" * 9, "x" * 9]), use_dictionary=False,
        column_encoding={"city": "DELTA_BYTE_ARRAY"},
    )  # fmt: skip
    assert refusal(body, converter).code == "request.malformed"


@pytest.fixture(scope="module")
def reader() -> Iterator[ParquetReader]:
    reader = ParquetReader(Limits())
    yield reader
    reader.close()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files(
    toys: Any, reader: ParquetReader, converter: Converter, data: st.DataObject
) -> None:
    """Some of them make pyarrow abort; the process is started again."""
    body = bytearray(parquet(columns(toys)))
    kind = data.draw(st.sampled_from(["cut", "flip", "noise"]))
    at = data.draw(st.integers(0, len(body) - 1))
    if kind == "cut":
        del body[at:]
    elif kind == "flip":
        body[at] ^= data.draw(st.integers(1, 255))
    else:
        body = bytearray(data.draw(st.binary(max_size=100)) + b"PAR1")
    with contextlib.suppress(RequestError):
        assert reader.read(bytes(body), converter).count


def test_a_process_that_dies_is_replaced(
    toys: Any, reader: ParquetReader, converter: Converter
) -> None:
    body = parquet(columns(toys))
    assert reader.read(body, converter).count == 2
    process = reader._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    killer = threading.Timer(0.2, process.kill)
    killer.start()
    with pytest.raises(RequestError):
        reader.read(body, converter)
    killer.join()
    assert reader.read(body, converter).count == 2


def test_invocations_in_parquet(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live("regression")
        kind = {"content-type": "application/vnd.apache.parquet"}
        answered = await stand.call("POST", "/invocations", parquet(columns(toys)), kind)
        assert answered.json == {"predictions": [44.5, 44.5]}
        answered = await stand.call("POST", "/invocations", b"PAR1", kind)
        assert answered.status == 400
        assert answered.json.keys() == {"error_code", "message"}
        await stand.server.close()

    toys.run(scene())


def test_no_arrow_until_a_file_comes() -> None:
    code = (
        "import sys, holdfast.serving.app; "
        "assert not {'pyarrow', 'pandas', 'polars'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_server_without_arrow_says_so(
    toys: Any, reader: ParquetReader, converter: Converter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(RequestError) as caught:
        reader.read(parquet(columns(toys)), converter)
    assert (caught.value.code, caught.value.status) == ("request.media_type", 415)


def recorded(rows: Rows) -> dict[str, Any]:
    """All values as they are recorded, by column."""
    block = {name: rows.columns[name] for name in rows.columns if name not in rows.values}
    return dict(sorted((to_values(block) | rows.values).items()))
