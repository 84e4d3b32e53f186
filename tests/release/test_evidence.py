import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.records import Evidence
from holdfast.release.evidence import compare, disagreement, strange_day, tolerated_disagreement

TWO = {
    "error_new": np.zeros(2, bool),
    "error_old": np.zeros(2, bool),
    "expected": 0.1,
    "margin": 0.02,
}


def test_counts_and_means() -> None:
    seen = compare(
        task="binary",
        score_new=np.array([0.9, 0.2, np.nan, 0.4, 0.3]),
        score_old=np.array([0.7, 0.2, 0.1, 0.4, np.nan]),
        error_new=np.array([False, False, False, True, False]),
        error_old=np.array([False, False, False, False, True]),
        truth=np.array([1, None, 1, 0, 1], dtype=object),
        seconds_new=np.array([0.01, 0.02, 9.0, 9.0, 0.03]),
        expected=0.2,
        margin=0.02,
    )
    assert (seen.pairs, seen.errors, seen.champion_errors, seen.labelled) == (2, 2, 1, 1)
    assert seen.disagreement == pytest.approx(0.1)
    assert seen.loss_difference == pytest.approx(0.01 - 0.09)
    assert seen.latency_p99 == pytest.approx(0.03, abs=1e-3)
    assert seen.expected == 0.2


def test_nothing_says_nothing() -> None:
    none = np.zeros(0)
    seen = compare(
        task="binary", score_new=none, score_old=none, error_new=none, error_old=none,
        truth=none, expected=0.1, margin=0.02,
    )  # fmt: skip
    assert seen == Evidence(expected=0.1)


@pytest.mark.parametrize(
    ("task", "new", "old", "expected"),
    [
        ("binary", [0.9, 0.1], [0.5, 0.1], [0.4, 0.0]),
        ("regression", [3.0, 30.0], [2.0, 2.0], [0.1, 1.0]),
        ("multiclass", [[1, 0, 0], [0.2, 0.3, 0.5]], [[0, 1, 0], [0.2, 0.5, 0.3]], [1.0, 0.2]),
    ],
)
def test_disagreement(task: str, new: list[float], old: list[float], expected: list[float]) -> None:
    gap = disagreement(task, np.array(new), np.array(old), scale=10.0)  # type: ignore[arg-type]
    assert gap == pytest.approx(np.array(expected))


def test_a_storm_is_no_reason_to_stop_and_a_fault_is() -> None:
    """Both differ by 0.06 on average, and by 0.14 on the worst of forty held-out days."""
    rng = np.random.default_rng(3)
    day = np.repeat(np.arange(40), 300)
    usual = np.where(day == 17, 0.14, 0.058)
    time = np.datetime64("2013-06-01") + day.astype("timedelta64[D]")
    more = strange_day(usual, time)
    assert more == pytest.approx(0.14 - usual.mean())
    old = rng.uniform(0.2, 0.4, 1000)
    none = np.zeros(1000, bool)

    def evidence(gap: float, more: float) -> float:
        new = old + rng.uniform(0.5, 1.5, 1000) * gap
        return compare(
            task="binary", score_new=new, score_old=old, error_new=none, error_old=none,
            expected=float(usual.mean()), margin=0.02, strange_day=more,
        ).log_e_disagree  # fmt: skip

    stop = math.log(4 / 0.05)
    assert evidence(0.136, 0.0) > stop
    assert evidence(0.136, more) < stop
    assert evidence(0.3, more) > stop


def test_no_day_excuses_everything() -> None:
    time = np.datetime64("2013-06-01") + np.repeat(np.arange(40), 300).astype("timedelta64[D]")
    one = np.where(np.arange(12_000) < 300, 0.9, 0.01)
    assert strange_day(one, time) == pytest.approx(2 * one.mean())
    assert strange_day(one[:50], time[:50]) == 0.0, "too few rows for a day"
    rare = (np.random.default_rng(1).random(12_000) < 0.0005).astype(float)
    assert strange_day(rare, time) == 0.0, "chance is no strange day"
    broken = compare(
        task="binary", score_new=np.full(300, 0.95), score_old=np.full(300, 0.05),
        error_new=np.zeros(300, bool), error_old=np.zeros(300, bool), expected=0.0064, margin=0.02,
        slices={"kind": np.full(300, "a")}, expected_by_slice={"kind=a": 0.05}, strange_day=0.0128,
    )  # fmt: skip
    assert broken.log_e_disagree > math.log(4 / 0.05)


def test_the_slack_never_reaches_one() -> None:
    assert tolerated_disagreement(0.0) == pytest.approx(0.02)
    assert tolerated_disagreement(0.9) == 0.99


@pytest.mark.parametrize("missing", ["none", "nan", "mask"])
def test_ways_to_say_that_a_label_is_unknown(missing: str) -> None:
    truth = {
        "none": np.array([1, None], dtype=object),
        "nan": np.array([1.0, np.nan]),
        "mask": np.array([1, 0]),
    }[missing]
    mask = np.array([True, False]) if missing == "mask" else None
    score = np.array([0.5, 0.5])
    seen = compare(
        task="binary", score_new=score, score_old=score, truth=truth, labelled=mask, **TWO
    )
    assert seen.labelled == 1


@pytest.mark.parametrize(
    ("task", "truth", "new", "old", "options"),
    [
        ("binary", ["yes", "no"], [0.9, 0.2], [0.8, 0.2], {"positive": "yes"}),
        ("binary", [True, False], [0.9, 0.2], [0.8, 0.2], {"positive": True}),
        ("regression", [1.0, 2.0], [1.0, 2.0], [1.5, 2.0], {"scale": 5.0}),
        (
            "multiclass",
            ["a", "c"],
            [[1, 0, 0], [0, 0, 1]],
            [[0.5, 0.5, 0], [0, 0, 1]],
            {"classes": ("a", "b", "c")},
        ),
    ],
)
def test_every_task_with_labels_of_its_own_kind(
    task: str, truth: list[object], new: list[float], old: list[float], options: dict[str, object]
) -> None:
    seen = compare(
        task=task,  # type: ignore[arg-type]
        score_new=np.array(new),
        score_old=np.array(old),
        truth=np.array(truth, dtype=object),
        **TWO,
        **options,  # type: ignore[arg-type]
    )
    assert seen.labelled == 2
    assert seen.loss_difference < 0


def rows(n: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    p = random.uniform(0.1, 0.9, n)
    return {
        "score_new": np.clip(p + random.normal(0, 0.1, n), 0, 1),
        "score_old": np.clip(p + random.normal(0, 0.1, n), 0, 1),
        "error_new": random.random(n) < 0.02,
        "error_old": random.random(n) < 0.02,
        "truth": (random.random(n) < p).astype(int),
        "label_at": np.arange(n) + random.exponential(50, n),
    }


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 299))
def test_later_looks_only_add_labels_at_the_end(seed: int, cut: int) -> None:
    """What is known at a moment is a prefix of what is known later, whatever the order of rows."""
    table = rows(300, seed)
    known = table["label_at"] <= np.sort(table["label_at"])[cut]
    shuffled = np.random.default_rng(seed).permutation(300)
    options = {"task": "binary", "expected": 0.1, "margin": 0.02}
    early = compare(**table, labelled=known, **options)  # type: ignore[arg-type]
    same = compare(
        **{name: values[shuffled] for name, values in table.items()},  # type: ignore[arg-type]
        labelled=known[shuffled],
        **options,
    )
    assert same.log_e_worse == pytest.approx(early.log_e_worse)
    assert same.log_e_fine == pytest.approx(early.log_e_fine)


def test_broken_and_fine_versions_are_told_apart() -> None:
    table = rows(2000, 1)
    options = {"task": "binary", "expected": 0.11, "margin": 0.02}
    fine = compare(**table, **options)  # type: ignore[arg-type]
    assert max(fine.log_e_disagree, fine.log_e_worse, fine.log_e_errors) < 2
    assert fine.log_e_fine > 3
    swapped = compare(**{**table, "score_new": 1 - table["score_new"]}, **options)  # type: ignore[arg-type]
    assert min(swapped.log_e_disagree, swapped.log_e_worse) > 50
    assert swapped.log_e_fine < 0
    mute = compare(**{**table, "error_new": np.arange(2000) % 3 == 0}, **options)  # type: ignore[arg-type]
    assert mute.log_e_errors > 50
