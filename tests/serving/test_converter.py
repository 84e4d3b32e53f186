from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.errors import RequestError
from holdfast.serving.converter import Converter

SECRET = "hunter2"


@pytest.fixture
def converter(toys: Any) -> Converter:
    return Converter(toys.signature_of("binary"), limit=10, also=frozenset({"old"}))


def test_rows_of_every_form_are_the_same(converter: Converter, toys: Any) -> None:
    records = converter.records([toys.ROW, toys.ROW])
    table = converter.table(list(toys.ROW), [list(toys.ROW.values())] * 2)
    positional = converter.positional([list(toys.ROW.values())] * 2)
    columns = converter.columns({name: [value] * 2 for name, value in toys.ROW.items()}, 2)
    for rows in (table, positional, columns):
        assert rows.values == records.values
        assert {name: column.tolist() for name, column in rows.columns.items()} == {
            name: column.tolist() for name, column in records.columns.items()
        }
    assert records.ids is None
    assert records.count == 2


def wrong(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    changed = {**row, **changes}
    return {name: value for name, value in changed.items() if value is not ...}


CASES: list[tuple[str, Callable[[Converter, dict[str, Any]], Any], str]] = [
    ("a missing column", lambda c, r: c.records([wrong(r, age=...)]), "missing: 'age'"),
    ("an unknown one", lambda c, r: c.records([wrong(r, **{SECRET: 1})]), "does not take"),
    ("a near miss", lambda c, r: c.records([wrong(r, age=..., agee=1)]), "Did you mean 'age'?"),
    ("a later row", lambda c, r: c.records([r, wrong(r, age=...)]), "missing: 'age'"),
    ("ids for some", lambda c, r: c.records([r, wrong(r, key="a")]), "same columns"),
    ("null for some", lambda c, r: c.records([wrong(r, key=None), wrong(r, key="a")]), "every row"),
    ("ids that are no ids", lambda c, r: c.records([wrong(r, key=1.5)]), "whole numbers"),
    ("long ids", lambda c, r: c.records([wrong(r, key="x" * 201)]), "1 to 200 characters"),
    ("empty ids", lambda c, r: c.records([wrong(r, key="")]), "1 to 200 characters"),
    ("rows that are no objects", lambda c, r: c.records([SECRET]), "must be an object"),
    ("no rows", lambda c, _: c.records([]), "no rows"),
    ("too many rows", lambda c, r: c.records([r] * 11), "11 rows; 10 is the most"),
    ("uneven rows", lambda c, _: c.table(["age"], [[1, 2]]), "list of 1 values"),
    ("a column twice", lambda c, _: c.table(["age", "age"], [[1, 2]]), "named twice"),
    ("rows that are no lists", lambda c, _: c.positional([SECRET]), "must be a list of 6"),
]


@pytest.mark.parametrize(("name", "act", "says"), CASES, ids=[case[0] for case in CASES])
def test_what_is_wrong_is_named_but_never_repeated(
    converter: Converter, toys: Any, name: str, act: Any, says: str
) -> None:
    with pytest.raises(RequestError) as caught:
        act(converter, toys.ROW)
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)


def test_too_many_rows_has_a_status_of_its_own(converter: Converter, toys: Any) -> None:
    with pytest.raises(RequestError) as caught:
        converter.table(list(toys.ROW), [[]] * 11)
    assert caught.value.status == 413


def test_ids_are_taken_as_text(converter: Converter, toys: Any) -> None:
    assert converter.records([{**toys.ROW, "key": 7}]).ids == ["7"]
    assert converter.records([{**toys.ROW, "key": "7"}]).ids == ["7"]
    assert converter.records([{**toys.ROW, "key": None}]).ids is None


def test_columns_of_the_version_before_are_left_out(converter: Converter, toys: Any) -> None:
    rows = converter.records([{**toys.ROW, "old": "x"}])
    assert "old" not in rows.columns
    assert "old" not in rows.values
