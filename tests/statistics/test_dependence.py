"""Dependence of two quantities: raking, and an e-value that holds whatever the margins."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.statistics.dependence import dependence_distance, dependence_log_e, rake

TABLE = np.array([[[0.20, 0.10, 0.03], [0.08, 0.15, 0.10], [0.04, 0.08, 0.22]]])


def _odds(table: np.ndarray) -> np.ndarray:
    return table[..., 1:, 1:] * table[..., :1, :1] / (table[..., 1:, :1] * table[..., :1, 1:])


def test_raking_keeps_odds_and_takes_margins() -> None:
    rng = np.random.default_rng(0)
    current = rng.integers(10, 200, (5, 1, 3, 3)).astype(float)
    fitted = rake(TABLE * 1e9, current)
    shares = current / current.sum(axis=(-2, -1), keepdims=True)
    assert fitted.sum(axis=-1) == pytest.approx(shares.sum(axis=-1), abs=1e-6)
    assert fitted.sum(axis=-2) == pytest.approx(shares.sum(axis=-2), abs=1e-6)
    assert _odds(fitted) == pytest.approx(np.broadcast_to(_odds(TABLE), (5, 1, 2, 2)), rel=1e-5)


def _tilted(margin: float) -> np.ndarray:
    """A table with the same odds ratios and other margins."""
    weight = np.array([1.0, 1.0, margin])
    table = TABLE[0] * weight[:, None] * weight[None, :]
    return table / table.sum()


@pytest.mark.parametrize("margin", [1.0, 2.0, 0.3])
def test_the_e_value_is_one_whatever_the_margins(margin) -> None:
    """Over 4,000 tables P(e ≥ 20) ≤ 1/20, up to four standard errors; the mean is at most 1."""
    rng = np.random.default_rng(1)
    counts = rng.multinomial(500, _tilted(margin).ravel(), 4000).reshape(-1, 1, 3, 3)
    known = TABLE * 1e9
    log_e = dependence_log_e(known, counts, rake(known, counts))[:, 0]
    assert (log_e >= np.log(20)).mean() <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)
    assert np.exp(log_e).mean() <= 1.0


def test_it_grows_when_they_go_together_otherwise() -> None:
    rng = np.random.default_rng(2)
    apart = np.outer(TABLE[0].sum(axis=1), TABLE[0].sum(axis=0))
    counts = rng.multinomial(2000, apart.ravel(), 50).reshape(-1, 1, 3, 3)
    known = (TABLE * 20_000).round()
    fitted = rake(known, counts)
    assert (dependence_log_e(known, counts, fitted) > np.log(1e6)).all()
    distance = dependence_distance(known, counts, fitted)
    truth = np.abs(apart - TABLE[0]).sum() / 2
    assert (distance.low() < truth).mean() >= 0.9
    assert (distance.high() > truth).mean() >= 0.9


def test_nothing_is_no_evidence() -> None:
    known, none = TABLE * 1000, np.zeros((2, 1, 3, 3))
    fitted = rake(known, none)
    assert dependence_log_e(known, none, fitted) == pytest.approx(0.0)
    assert np.isfinite(dependence_distance(known, none, fitted).value).all()
