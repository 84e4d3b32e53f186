"""Groups are of columns that make groups."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from holdfast.data.groups import check_groups
from holdfast.errors import SpecError

FRAME = pl.DataFrame(
    {"image": [[1.0, 2.0]], "kind": ["a"]}, schema_overrides={"image": pl.Array(pl.Float64, 2)}
)


def _spec(gate: tuple[str, ...] = (), monitor: tuple[str, ...] = (), fair: str = "kind") -> Any:
    return SimpleNamespace(
        gate=SimpleNamespace(slices=gate, fairness=(SimpleNamespace(column=fair),)),
        monitor=SimpleNamespace(slices=monitor),
    )


def test_a_category_makes_groups() -> None:
    check_groups(FRAME, _spec(("kind",), ("kind",)))


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (_spec(gate=("kind", "image")), "gate.slices"),
        (_spec(monitor=("image",)), "monitor.slices"),
        (_spec(fair="image"), "gate.fairness"),
    ],
)
def test_a_vector_makes_none(spec: Any, key: str) -> None:
    with pytest.raises(SpecError, match=f"'{key}': 'image' holds lists of numbers"):
        check_groups(FRAME, spec)
