"""Evidence against cell probabilities: an e-value, also where they were estimated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.statistics.eprocess import log_cusum
from holdfast.statistics.multinomial import log_e_against, multinomial_log_e, null_of


def test_multinomial_e_value_has_mean_at_most_one() -> None:
    """The mean of e over 4,000 null histograms is at most 1, +4 standard errors."""
    rng = np.random.default_rng(7)
    p = np.array([0.5, 0.3, 0.15, 0.05])
    e = np.exp(multinomial_log_e(rng.multinomial(50, p, size=4000), p))
    assert e.mean() <= 1 + 4 * e.std() / np.sqrt(e.size)


def test_multinomial_slack_pays_for_a_sampled_reference() -> None:
    """With m = 2,000 the plug-in would alarm on most of 40 references; with slack on none."""
    rng = np.random.default_rng(8)
    p = np.full(16, 1 / 16)
    plain, slack = [], []
    for _ in range(40):
        reference = rng.multinomial(2000, p)
        days = rng.multinomial(1000, p, size=60)
        plain.append(log_cusum(multinomial_log_e(days, reference / 2000)).max())
        slack.append(log_cusum(multinomial_log_e(days, reference, 2000)).max())
    threshold = np.log(1500)
    assert np.mean(np.array(plain) >= threshold) > 0.5
    assert np.mean(np.array(slack) >= threshold) <= 0.05


def test_multinomial_survives_empty_cells_and_rows() -> None:
    log_e = multinomial_log_e([[0, 0, 0], [0, 0, 40]], [50, 50, 0], 100)
    assert log_e[0] == 0
    assert log_e[1] > 20
    assert np.isfinite(log_e).all()


@given(st.lists(st.integers(0, 90), min_size=2, max_size=9), st.integers(1, 5))
def test_cells_that_only_pad_count_for_nothing(counts: list[int], more: int) -> None:
    known = [one + 1 for one in reversed(counts)]
    nowhere = np.arange(len(counts) + more) >= len(counts)
    padded = null_of([*known, *[0] * more], sum(known), nowhere)
    found = log_e_against([[*counts, *[0] * more]], padded)
    assert found == pytest.approx(multinomial_log_e([counts], known, sum(known)), abs=1e-9)
