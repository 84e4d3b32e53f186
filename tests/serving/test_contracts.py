"""A row means the same in every contract."""

from __future__ import annotations

import csv
import io
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.serving import v1
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.csv_rows import read_csv
from holdfast.serving.invocations import read_json
from holdfast.serving.v2 import read_request

NUMBER = st.floats(allow_nan=False, allow_infinity=False)
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "amount": st.none() | NUMBER | st.integers(-(2**53), 2**53),
    "age": NUMBER,
    "count": st.none() | st.integers(-(2**63), 2**63 - 1),
    "member": st.none() | st.booleans(),
    "city": st.none() | st.text(max_size=8),
    "since": st.none() | st.datetimes().map(lambda moment: moment.isoformat()),
}
TYPES = {
    "amount": "FP64", "age": "FP64", "count": "INT64", "member": "BOOL", "city": "BYTES",
    "since": "BYTES", "key": "BYTES",
}  # fmt: skip


@st.composite
def requests(draw: Any) -> list[dict[str, Any]]:
    cells = dict(CELLS)
    if draw(st.booleans()):
        cells["key"] = st.text("abc123-", min_size=1, max_size=10)
    names = draw(st.permutations(list(cells)))
    return draw(
        st.lists(
            st.fixed_dictionaries({name: cells[name] for name in names}), min_size=1, max_size=4
        )
    )


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value)


def forms(converter: Converter, rows: list[dict[str, Any]]) -> dict[str, Rows]:
    """The same rows, sent in every way there is."""
    names = list(rows[0])
    data = [[row[name] for name in names] for row in rows]
    columns = {name: [row[name] for row in rows] for name in names}
    inputs = [
        {"name": name, "datatype": TYPES[name], "shape": [len(rows)], "data": columns[name]}
        for name in names
    ]
    nested = [
        {**item, "shape": [len(rows), 1], "data": [[value] for value in item["data"]]}
        for item in inputs
    ]
    split = {"columns": names, "data": data}
    return {
        "records": read_json(encode({"dataframe_records": rows}), converter),
        "split": read_json(encode({"dataframe_split": split}), converter),
        "instances": read_json(encode({"instances": rows}), converter),
        "inputs": read_json(encode({"inputs": columns}), converter),
        "v1 instances": v1.read_rows(encode({"instances": rows}), converter),
        "v1 inputs": v1.read_rows(encode({"inputs": columns}), converter),
        "v2": read_request(encode({"inputs": inputs}), None, converter).rows,
        "v2 nested": read_request(encode({"inputs": nested}), None, converter).rows,
    }


def same(one: Rows, other: Rows) -> None:
    assert one.count == other.count
    assert one.ids == other.ids
    assert encode(one.values) == encode(other.values)
    assert one.columns.keys() == other.columns.keys()
    for name, array in one.columns.items():
        assert array.dtype == other.columns[name].dtype
        np.testing.assert_array_equal(array, other.columns[name])


@pytest.fixture(scope="module")
def converter(toys: Any) -> Converter:
    return Converter(toys.signature_of("binary"), limit=10)


@settings(max_examples=150, deadline=None)
@given(rows=requests())
def test_a_row_means_the_same_everywhere(converter: Converter, rows: list[dict[str, Any]]) -> None:
    first, *others = forms(converter, rows).values()
    for other in others:
        same(first, other)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "amount": st.none() | NUMBER,
                "age": NUMBER,
                "count": st.none() | st.integers(-(2**53), 2**53),
                "member": st.none() | st.booleans(),
                "city": st.none()
                | st.text(
                    st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=8
                ),
                "since": CELLS["since"],
            }
        ),
        min_size=1,
        max_size=4,
    )
)
def test_also_in_csv(converter: Converter, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0])
    cells = [[row[name] for name in rows[0]] for row in rows]
    writer.writerows([["" if cell is None else cell for cell in line] for line in cells])
    expected = read_json(encode({"dataframe_records": rows}), converter)
    same(expected, read_csv(text.getvalue().encode(), converter))


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "amount": st.none() | NUMBER,
                "age": NUMBER,
                "count": st.integers(-(2**63), 2**63 - 1),
                "member": st.booleans(),
                "city": st.text(max_size=8),
                "since": st.datetimes().map(lambda moment: moment.isoformat()),
            }
        ),
        min_size=1,
        max_size=4,
    )
)
def test_also_in_binary_tensors(converter: Converter, rows: list[dict[str, Any]]) -> None:
    inputs, parts = [], []
    for name in rows[0]:
        column = [row[name] for row in rows]
        if TYPES[name] == "BYTES":
            texts = [text.encode() for text in column]
            raw = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        else:
            kind = {"FP64": "<f8", "INT64": "<i8", "BOOL": "?"}[TYPES[name]]
            filled = [float("nan") if value is None else value for value in column]
            raw = np.array(filled, dtype=kind).tobytes()
        parts.append(raw)
        inputs.append(
            {
                "name": name, "datatype": TYPES[name], "shape": [len(rows), 1],
                "parameters": {"binary_data_size": len(raw)},
            }
        )  # fmt: skip
    head = encode({"inputs": inputs})
    asked = read_request(b"".join((head, *parts)), b"%d" % len(head), converter)
    same(read_json(encode({"dataframe_records": rows}), converter), asked.rows)
