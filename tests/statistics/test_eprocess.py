"""Sequential evidence: guarantees by simulation, identities by example and by Hypothesis.

Monte-Carlo tolerances are stated where they are used; all seeds are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from holdfast.statistics import eprocess as ep

LOSSES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def _by_hand(x: list[float], mu0: float, kind: str) -> list[float]:
    """The recursions as they stand in the paper, without logarithms."""
    result = []
    grid = ep.bets(mu0)
    m = np.ones(grid.size) if kind == "product" else np.zeros(grid.size)
    for value in x:
        start = {"product": m, "cusum": np.maximum(m, 1), "sr": m + 1}[kind]
        m = start * (1 + grid * (value - mu0))
        result.append(float(np.log(m.mean())))
    return result


@given(LOSSES, st.floats(0.01, 0.9))
@settings(max_examples=60, deadline=None)
def test_vectorised_forms_equal_the_recursions(x: list[float], mu0: float) -> None:
    for kind, function in (
        ("product", ep.bounded_mean_log_e),
        ("cusum", ep.cusum),
        ("sr", ep.shiryaev_roberts),
    ):
        np.testing.assert_allclose(function(x, mu0), _by_hand(x, mu0, kind), atol=1e-9)


@given(LOSSES, st.floats(0.01, 0.9))
@settings(max_examples=40, deadline=None)
def test_detectors_are_ordered(x: list[float], mu0: float) -> None:
    product, cusum, sr = (f(x, mu0) for f in (ep.bounded_mean_log_e, ep.cusum, ep.shiryaev_roberts))
    assert (cusum >= product - 1e-9).all()
    assert (sr >= cusum - 1e-9).all()


@pytest.mark.parametrize("bad", [[-0.1], [1.1], [float("nan")]])
def test_values_outside_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError):
        ep.cusum(bad, 0.1)
    with pytest.raises(ValueError):
        ep.paired_log_e([2 * bad[0] + 1] if bad[0] > 1 else [-2.0])


def test_empty_input_gives_empty_output() -> None:
    assert ep.cusum([], 0.1).size == ep.gaussian_cusum([]).size == ep.paired_log_e([]).size == 0


@pytest.mark.parametrize("detector", [ep.cusum, ep.shiryaev_roberts])
def test_average_run_length_is_at_least_the_threshold(detector) -> None:
    """ARL ≥ A. 400 streams; censored at 8·A, so the mean is a lower bound; 3 % tolerance."""
    rng = np.random.default_rng(1)
    a = 200
    lengths = []
    for _ in range(400):
        log_m = detector((rng.random(8 * a) < 0.15).astype(float), 0.15)
        crossed = np.flatnonzero(log_m >= np.log(a))
        lengths.append(crossed[0] + 1 if crossed.size else 8 * a)
    assert np.mean(lengths) >= 0.97 * a


def test_gaussian_cusum_keeps_its_run_length() -> None:
    """ARL ≥ A for standard normal block means; censored at 8·A; 3 % tolerance."""
    rng = np.random.default_rng(2)
    lengths = []
    for _ in range(400):
        crossed = np.flatnonzero(ep.gaussian_cusum(rng.normal(size=800)) >= np.log(100))
        lengths.append(crossed[0] + 1 if crossed.size else 800)
    assert np.mean(lengths) >= 97


def test_e_process_is_valid_at_every_time_under_dependence() -> None:
    """P(sup M ≥ 1/α) ≤ α though each loss depends on the one before; 1000 paths, +3 sd."""
    rng = np.random.default_rng(3)
    alpha, crossed = 0.1, 0
    for _ in range(1000):
        big = rng.random(300)
        # Two-point losses whose spread depends on the past, with conditional mean 0.2 throughout.
        wide = np.concatenate([[False], big[:-1] < 0.5])
        x = np.where(wide, (big < 0.2).astype(float), np.where(big < 0.5, 0.4, 0.0))
        crossed += bool((ep.bounded_mean_log_e(x, 0.2) >= np.log(1 / alpha)).any())
    assert crossed / 1000 <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / 1000)


def test_delay_is_near_the_bound() -> None:
    """0/1 losses, .10 → .20, A = 10,000: the bound is ln A / KL = 207 labels; median of 60."""
    rng = np.random.default_rng(4)
    delays = []
    for _ in range(60):
        x = np.concatenate([rng.random(2000) < 0.1, rng.random(1000) < 0.2]).astype(float)
        after = np.flatnonzero(ep.cusum(x, 0.1)[2000:] >= np.log(10_000))
        delays.append(after[0] + 1)
    assert np.median(delays) <= 1.2 * 207


def test_change_point_is_near() -> None:
    rng = np.random.default_rng(5)
    x = np.concatenate([rng.random(3000) < 0.1, rng.random(300) < 0.4]).astype(float)
    assert abs(ep.change_point(x, 0.15) - 3000) <= 30


def test_paired_is_valid_and_has_power() -> None:
    """400 A/A experiments at α = .05 (+3 sd), and all of 50 with a difference of 0.05."""
    rng = np.random.default_rng(6)
    false = sum(
        bool((ep.paired_log_e(rng.normal(0, 0.2, 400).clip(-1, 1)) >= np.log(20)).any())
        for _ in range(400)
    )
    assert false / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    for side, shift in (("greater", 0.05), ("less", -0.05)):
        found = sum(
            ep.paired_log_e((rng.normal(shift, 0.2, 2000)).clip(-1, 1), side=side)[-1] >= np.log(20)
            for _ in range(50)
        )
        assert found == 50


def test_paired_boundary_moves_with_mu0() -> None:
    d = np.full(500, 0.05)
    assert ep.paired_log_e(d, 0.0)[-1] > 0 > ep.paired_log_e(d, 0.1)[-1]
    assert ep.paired_log_e(d, 0.1, side="less")[-1] > 0 > ep.paired_log_e(d, 0.0, side="less")[-1]


@given(st.lists(st.floats(-5, 15), min_size=1, max_size=30), st.floats(0.001, 0.5))
@settings(max_examples=80, deadline=None)
def test_e_bh_declares_the_largest_self_consistent_set(logs: list[float], alpha: float) -> None:
    declared = ep.e_bh(logs, alpha)
    k, d = int(declared.sum()), len(logs)
    if k:
        assert min(np.array(logs)[declared]) >= np.log(d / (k * alpha)) - 1e-9
        assert all(one < min(np.array(logs)[declared]) for one in np.array(logs)[~declared])
    for more in range(k + 1, d + 1):
        assert sorted(logs, reverse=True)[more - 1] < np.log(d / (more * alpha)) + 1e-9


def test_threshold_follows_the_budget() -> None:
    assert ep.threshold_for(1.0, 3000) == pytest.approx(np.log(3000))
    assert ep.threshold_for(10.0, 30) == pytest.approx(np.log(20))


@given(st.lists(st.floats(-5, 20), min_size=1, max_size=30), st.floats(0.001, 0.9))
def test_the_least_level_is_that_at_which_e_bh_declares(logs: list[float], alpha: float) -> None:
    levels = ep.e_bh_levels(logs)
    assume(not np.isclose(levels, alpha).any())
    assert ep.e_bh(logs, alpha).tolist() == (levels <= alpha).tolist()


@given(st.lists(st.floats(-5, 20), min_size=1, max_size=30))
def test_what_all_streams_show_together_is_no_more_than_their_mean(logs: list[float]) -> None:
    """So one over the least level is an e-value, where it exceeds 1, whatever the dependence."""
    shown = 1 / ep.e_bh_levels(logs).min()
    assert shown <= max(np.exp(logs).mean(), 1) * (1 + 1e-9)
