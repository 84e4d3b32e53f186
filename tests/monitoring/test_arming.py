"""Arming: the rehearsal shows what a monitor does where nothing is wrong, and reins it in."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from holdfast.monitoring.arming import MONTHS, arm
from holdfast.monitoring.findings import PAGE_SHARES
from holdfast.records import HeldOutDay, History, Reference
from holdfast.spec import Monitor

REFERENCE = Reference(bins=(), summaries=(), loss=0.15, loss_low=0.14, loss_high=0.16, rows=9000)


def _reference(seed: int, days: int = 40, spread: float = 0.0, known: float = 0.0) -> Reference:
    """Days whose loss varies by ``spread``, of which the reference knows ``known``."""
    rng = np.random.default_rng(seed)
    level = np.clip(0.15 + spread * rng.normal(size=days), 0.01, 0.9)
    level *= 0.15 / level.mean()
    rows = tuple(
        HeldOutDay(losses=(400 - bad, bad), expected=float(mean), error=0.01)
        for bad, mean in zip(rng.binomial(400, level).tolist(), level.tolist(), strict=True)
    )
    past = History(values=(0.0, 1.0), days=rows)
    return msgspec.structs.replace(REFERENCE, history=past, loss_spread=known)


def test_the_shares_of_the_budget_add_up() -> None:
    assert sum(PAGE_SHARES.values()) == 1.0


def test_quiet_days_arm_as_they_are() -> None:
    """Days that differ by sampling alone: the run length that the budget asks for is enough."""
    for seed in range(3):
        for one in arm(_reference(seed), Monitor()).monitors:
            assert (one.armed, one.raised) == (True, 1.0)
            assert one.replayed == one.first <= 0.1
            assert f"{MONTHS} rehearsed months" in one.sentence


def test_days_that_differ_more_than_the_reference_knows_raise_the_run_length() -> None:
    one = arm(_reference(1, spread=0.07), Monitor()).of("realised_loss")
    assert one.first > one.budget
    assert one.replayed <= one.budget
    assert one.armed
    assert one.raised > 1
    assert "times the run length" in one.sentence


def test_what_no_run_length_quietens_stays_unarmed() -> None:
    one = arm(_reference(2, spread=0.3), Monitor()).of("realised_loss")
    assert not one.armed
    assert one.replayed > one.budget
    assert one.sentence.startswith("unarmed")


def test_a_rehearsed_monitor_keeps_its_budget_on_days_it_has_not_seen() -> None:
    """Three halves of one world: false pages on months of new days, at most the budget + 3.5 sd.

    The days of the rehearsal are only forty, so a fresh world may do a little worse.
    """
    policy = Monitor(pages_per_month=2.0)
    for seed in range(3):
        armed = arm(_reference(seed, spread=0.04, known=0.04), policy).of("realised_loss")
        fresh = _reference(seed + 100, days=400, spread=0.04, known=0.04)
        again = arm(fresh, policy, seed=9).of("realised_loss")
        assert armed.armed
        assert again.first <= armed.budget + 3.5 * np.sqrt(armed.budget / MONTHS)


def test_without_days_it_says_that_it_was_not_rehearsed() -> None:
    few = _reference(4, days=5)
    for reference in (REFERENCE, few):
        one = arm(reference, Monitor()).of("realised_loss")
        assert (one.armed, one.replayed, one.raised) == (True, None, 1.0)
        assert "not rehearsed" in one.sentence


@pytest.mark.parametrize("block", [timedelta(hours=6), timedelta(days=7)])
def test_blocks_of_other_lengths(block: timedelta) -> None:
    assert arm(_reference(5), Monitor(block=block)).of("realised_loss").replayed == 0.0


def test_a_frozen_reference_knows_its_days(reference) -> None:
    past = reference.history
    assert len(past.days) == 20
    assert sum(sum(day.losses) for day in past.days) == reference.rows
    total = sum(np.dot(day.losses, past.values) for day in past.days)
    assert total / reference.rows == pytest.approx(reference.loss)
    expected = np.mean([day.expected for day in past.days])
    assert expected == pytest.approx(reference.loss, abs=0.01)
    assert arm(reference, Monitor()) == arm(reference, Monitor())
    assert all(one.armed for one in arm(reference, Monitor()).monitors)
