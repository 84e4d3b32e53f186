from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from holdfast.errors import RequestError
from holdfast.records import Field
from holdfast.serving.cells import builder, number_block, packed

GOOD: list[tuple[str, list[Any], list[Any]]] = [
    ("double", [1.5, 2, None], [1.5, 2.0, None]),
    ("double", [1, 2], [1.0, 2.0]),
    ("long", [1, -(2**63), 2**63 - 1], [1, -(2**63), 2**63 - 1]),
    ("long", [1.0, 2, None], [1, 2, None]),
    ("boolean", [True, False], [True, False]),
    ("boolean", [True, None], [True, None]),
    ("string", ["a", "", None], ["a", "", None]),
    (
        "datetime",
        ["2024-05-01T10:00:00Z", "2024-05-01T12:00:00+02:00", "2024-05-01", None],
        ["2024-05-01T10:00:00.000000+00:00"] * 2 + ["2024-05-01T00:00:00.000000+00:00", None],
    ),
]
KINDS: dict[str, list[Any]] = {
    "double": ["1", True, [1], {}, 10**400],
    "long": ["1", False, 1.5, 1e300, 2**63, float(2**60)],
    "boolean": [1, 0, "true", 1.0],
    "string": [1, True, ["a"]],
    "datetime": [1714557600, "yesterday", "2024-13-01", True],
}


@pytest.mark.parametrize(("kind", "values", "plain"), GOOD)
def test_what_fits_is_kept_as_it_is(kind: Any, values: list[Any], plain: list[Any]) -> None:
    cells = builder(Field(name="a", type=kind))(values)
    assert cells.values == plain
    assert list(map(type, cells.values)) == list(map(type, plain))
    assert len(cells.array) == len(values)


@pytest.mark.parametrize("kind", ["double", "long", "boolean", "string", "datetime"])
def test_null_only_where_it_is_allowed(kind: Any) -> None:
    cells = builder(Field(name="a", type=kind))([None])
    assert cells.values == [None]
    if kind != "string":
        assert np.isnat(cells.array[0]) if kind == "datetime" else np.isnan(cells.array[0])
    with pytest.raises(RequestError, match=r"column 'a' must be .* row 0 holds null"):
        builder(Field(name="a", type=kind, nullable=False))([None])


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in KINDS.items() for value in values]
)
@pytest.mark.parametrize("around", [[], [None]])
def test_what_does_not_fit_is_refused(kind: Any, value: Any, around: list[Any]) -> None:
    with pytest.raises(RequestError, match="column 'a' must be") as caught:
        builder(Field(name="a", type=kind))([*around, value])
    assert len(repr(value)) < 2 or repr(value) not in str(caught.value)


def test_dtypes_are_those_of_columns() -> None:
    def dtype(kind: Any, values: list[Any]) -> np.dtype[Any]:
        return builder(Field(name="a", type=kind))(values).array.dtype

    assert dtype("long", [1]) == np.int64
    assert dtype("long", [1, None]) == np.float64
    assert dtype("boolean", [True]) == np.bool_
    assert dtype("boolean", [True, None]) == np.float64
    assert dtype("datetime", ["2024-01-01"]) == np.dtype("datetime64[us]")


def test_a_block_of_numbers_is_the_same_as_its_columns() -> None:
    rows = [[1.5, 1, 0.5], [None, 2, 0.25], [3, 3, 0.125]]
    block = number_block(nullable=True)(rows)
    assert block is not None
    one = builder(Field(name="a", type="double"))
    for name, given in zip("abc", zip(*rows, strict=True), strict=True):
        cells = one(given)
        np.testing.assert_array_equal(block[:, "abc".index(name)], cells.array)
    np.testing.assert_array_equal(block[2], [3.0, 3.0, 0.125])
    assert number_block(nullable=False)(rows) is None
    assert number_block(nullable=True)([[True]]) is None
    assert number_block(nullable=True)([[10**400]]) is None


@pytest.mark.parametrize("count", [1, 4, 5, 100])
def test_packed_is_what_numpy_makes_of_it(count: int) -> None:
    rows: list[tuple[float | None, ...]] = [(i + 0.1, -0.0, math.inf) for i in range(count)]
    np.testing.assert_array_equal(packed(rows, 3), np.array(rows, np.float64))
    rows[0] = (None, 1.0, 2.0)
    np.testing.assert_array_equal(packed(rows, 3), np.array(rows, np.float64))
