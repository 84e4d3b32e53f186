"""Runs of blocks, and which of them says most."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.monitoring.spans import SPANS, confirmed, strongest, trailing
from holdfast.statistics.histogram import Distance


@given(st.lists(st.integers(0, 1000), max_size=12), st.sampled_from(SPANS))
def test_a_run_is_the_sum_of_its_blocks(values: list[int], span: int) -> None:
    table = np.array(values, dtype=np.float64)[:, None]
    expected = [sum(values[max(i - span + 1, 0) : i + 1]) for i in range(len(values))]
    assert trailing(table, span)[:, 0].tolist() == expected


def _sure(*values: float) -> Distance:
    return Distance(np.array([values]), np.zeros((1, len(values))), np.zeros((1, len(values))))


def test_the_shortest_that_is_beyond_its_floor_speaks() -> None:
    """One column, three blocks: beyond alone; only over three blocks; never."""
    distances = [_sure(0.3, 0.1, 0.1), _sure(0.3, 0.15, 0.1), _sure(0.3, 0.15, 0.1)]
    enough = np.ones((3, 1, 3), dtype=np.bool_)
    sure = enough[0]
    found = strongest(distances, enough, np.array([[[0.2]], [[0.12]], [[0.12]]]), sure)
    assert found.span.tolist() == [[1, 3, 1]]
    assert found.beyond.tolist() == [[True, True, False]]
    assert found.value.tolist() == [[0.3, 0.15, 0.1]]
    assert found.floor.tolist() == [[0.2, 0.12, 0.2]]


def test_without_enough_rows_a_longer_run_speaks_or_none() -> None:
    enough = np.array([[[False, False]], [[False, True]], [[False, True]]])
    found = strongest([_sure(0.9, 0.1)] * 3, enough, np.full((3, 1, 1), 0.5), enough[1] | True)
    assert found.span[0, 1] == 3
    assert np.isnan(found.value[0, 0])
    assert not found.beyond.any()


def test_one_strange_day_is_not_enough() -> None:
    """Strange alone; strange again within three days; strange without rows."""
    found = confirmed(
        _sure(0.9, 0.0, 0.0, 0.9, 0.0, 0.9, 0.9), np.array([[9, 9, 9, 9, 9, 9, 0]]), np.array([0.2])
    )
    assert found.tolist() == [[False, False, False, False, False, True, False]]
