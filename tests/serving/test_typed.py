"""The decoder of a signature takes what the readers of every form take, or leaves it to them."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import RequestError
from holdfast.records import Field, Signature
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.invocations import read_json, read_split, read_tolerant

A = Field(name="a", type="double")
B = Field(name="b", type="double", nullable=False)


def converter_of(*fields: Field) -> Converter:
    return Converter(
        Signature(inputs=fields, outputs=(Field(name="prediction", type="double"),)), limit=3
    )


NUMBERS = converter_of(A, B)
MIXED = converter_of(Field(name="c", type="string"), A, Field(name="n", type="long"))
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3), st.just([]), st.integers(2**60, 2**70),
)  # fmt: skip


def body(data: Any, **more: Any) -> bytes:
    return json.dumps({"dataframe_split": {"data": data, **more}}).encode()


def plainly(given: bytes, converter: Converter) -> Any:
    """As all forms are read."""
    try:
        return read_split(read_tolerant(given)["dataframe_split"], converter)
    except RequestError as error:
        return error.code


@given(
    st.sampled_from([NUMBERS, MIXED]), st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=5)
)
def test_it_says_what_the_others_say(converter: Converter, data: Any) -> None:
    given = body(data, columns=converter.order)
    expected = plainly(given, converter)
    with contextlib.suppress(RequestError):  # of cells other than doubles, and of the count
        found = converter.split(given)
        if found is not None:
            same(found, expected)


def same(found: Rows, expected: Any) -> None:
    assert isinstance(expected, Rows), expected
    assert {name: cells for name, cells in expected.values.items() if name in found.values} == (
        found.values
    )
    assert found.count == expected.count
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(found.columns[name], column)


@pytest.mark.parametrize("converter", [NUMBERS, MIXED])
def test_what_is_right_is_taken_at_once(converter: Converter) -> None:
    row = [1, 2.5] if converter is NUMBERS else ["x", None, 3]
    for more in ({"columns": converter.order}, {}, {"columns": converter.order, "index": [7]}):
        rows = converter.split(body([row], **more))
        assert rows is not None
        assert rows.count == 1


@pytest.mark.parametrize(
    "given",
    [
        body([[1.0, 2.0]], columns=["b", "a"]),
        body([[1.0]], columns=["a"]),
        body([]),
        body([[1.0, 2.0]], more=1),
        body([[1.0, None]]),
        b'{"dataframe_split": {"data": [[1, 2]]}, "params": {}}',
        b'{"dataframe_records": [{"a": 1, "b": 2}]}',
        b'{"dataframe_split": {"data": [[NaN, 2]]}}',
        b'\xff{"dataframe_split": {"data": [[1, 2]]}}',
        b"",
        b"[" * 100_000,
    ],
)
def test_everything_else_is_left_to_the_others(given: bytes) -> None:
    assert NUMBERS.split(given) is None


def test_another_order_is_read_as_it_is() -> None:
    rows = read_json(body([[1.0, 2.0]], columns=["b", "a"]), NUMBERS)
    assert (rows.columns["a"][0], rows.columns["b"][0]) == (2.0, 1.0)


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(RequestError) as caught:
        NUMBERS.split(body([[1.0, 2.0]] * 4))
    assert caught.value.status == 413
