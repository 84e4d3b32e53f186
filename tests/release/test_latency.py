"""Evidence that a challenger is slower."""

import numpy as np
import pytest

from holdfast.release.latency import slower


def _times(seed: int, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    load = np.exp(2 * np.sin(np.arange(n) / 30))
    return 0.01 * load * (1 + random.pareto(1.1, n)), random.random(n) < 0.3


def test_equal_latencies_are_hardly_ever_held_to_be_slower_however_heavy_their_tails() -> None:
    """Over all looks at most 5 % of runs reach 1/0.05 (Ville), plus three standard errors."""
    runs, reached = 60, 0
    for seed in range(runs):
        seconds, new = _times(seed)
        looks = [slower(seconds[:n], new[:n], 1.0).log_e for n in (300, 1000, 3000)]
        reached += max(looks) >= np.log(20)
    assert reached / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize("factor", [1.5, 3.0])
def test_what_is_slower_by_less_than_the_factor_is_forgiven(factor: float) -> None:
    seconds, new = _times(1)
    seconds[new] *= factor * 0.95
    assert slower(seconds, new, factor).log_e < np.log(20)
    seconds[new] *= 3
    assert slower(seconds, new, factor).log_e > np.log(80)


def test_less_than_a_millisecond_is_forgiven() -> None:
    _, new = _times(2)
    assert slower(np.where(new, 0.0009, 0.00001), new, 1.5).log_e <= 0


def test_rare_stalls_are_found() -> None:
    seconds, new = _times(3, 20_000)
    random = np.random.default_rng(4)
    seconds[new & (random.random(20_000) < 0.1)] += 60
    assert slower(seconds, new, 1.5).log_e > np.log(80)


def test_without_both_there_is_nothing_to_say() -> None:
    seconds, new = _times(5, 500)
    nothing = np.zeros(0)
    for took, who in (
        (nothing, nothing.astype(bool)),
        (seconds, new | True),
        (seconds, new & False),
    ):
        assert slower(took, who, 1.5) == (0, 0.0)
    assert slower(seconds[:40], new[:40], 1.5) == (0, 0.0)


def test_more_requests_only_add_pairs_behind() -> None:
    seconds, new = _times(6)
    before = [slower(seconds[:n], new[:n], 1.5) for n in range(300, 2000, 213)]
    assert [one.pairs for one in before] == sorted(one.pairs for one in before)
    changed = seconds.copy()
    changed[2000:] *= 50
    assert [slower(changed[:n], new[:n], 1.5) for n in range(300, 2000, 213)] == before
