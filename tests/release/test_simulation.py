"""The error rates that are promised, measured on whole releases with fixed seeds."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from holdfast.records import Evidence, Release, ReleaseState
from holdfast.release.context import Context
from holdfast.release.evidence import compare
from holdfast.release.latency import slower
from holdfast.release.plan import plan
from holdfast.release.rules import next_transition
from holdfast.release.states import move
from holdfast.spec import Release as Policy

S = ReleaseState
START = datetime(2024, 5, 1, tzinfo=UTC)
POLICY = Policy()
ALPHA, MARGIN = 0.05, 0.02
Rows = dict[str, np.ndarray]


def same_quality(n: int, random: np.random.Generator) -> Rows:
    """Two versions equally good and equally prone to fail, each wrong in its own way."""
    p = random.uniform(0.25, 0.75, n)
    load = np.exp(np.sin(np.arange(n) / 40))  # slows both at a time; no variance beyond that
    return {
        "live_seconds": 0.005 * load * (1 + random.pareto(1.5, n)),
        "live_new": random.random(n) < 0.25,
        "score_new": p + random.uniform(-0.2, 0.2, n),
        "score_old": p + random.uniform(-0.2, 0.2, n),
        "error_new": random.random(n) < 0.02,
        "error_old": random.random(n) < 0.02,
        "truth": (random.random(n) < p).astype(int),
        "label_at": np.arange(n) + random.exponential(100, n),
    }


def worse_by_the_margin(n: int, random: np.random.Generator) -> Rows:
    """The champion knows the probabilities; the challenger is off by ±√margin: the Brier score is
    worse by just the margin.
    """
    table = same_quality(n, random)
    p = random.uniform(0.25, 0.75, n)
    off = np.sqrt(MARGIN) * random.choice([-1, 1], n)
    return {
        **table,
        "score_old": p,
        "score_new": p + off,
        "truth": (random.random(n) < p).astype(int),
    }


def run(
    table: Rows, *, expected: float, tolerance: float = 0.0, every: int = 100, labels: bool = True
) -> tuple[Release, int]:
    """A whole canary, looked at after each ``every`` rows; its end and the rows it took."""
    release = Release(
        id="r", model="m", version=2, previous=1, plan=plan(POLICY), state=S.PENDING,
        started_at=START, step_at=START, actor="a",
    )  # fmt: skip
    n = len(table["truth"])
    began = 0
    for look in range(0, n + 1, every):
        now = START + timedelta(minutes=look)
        known = {name: values[:look] for name, values in table.items()}
        seen = Evidence()
        late = slower(known.pop("live_seconds"), known.pop("live_new"), POLICY.slower)
        if look:
            seen = compare(
                task="binary", expected=expected, margin=MARGIN, tolerance=tolerance,
                labelled=known["label_at"] <= look, late=late, **known,
            )  # fmt: skip
        context = Context(alpha=ALPHA, step_pairs=seen.pairs - began, labels=labels, live=1)
        transition = next_transition(release, seen, POLICY, now, context)
        if transition is not None:
            release, began = move(release, transition, seen, now), seen.pairs
        if release.state not in (S.CANARY, S.SHADOW):
            return release, look
    return release, n


def allowed(rate: float, runs: int) -> float:
    """The rate plus three standard errors of its estimate."""
    return rate + 3 * float(np.sqrt(rate * (1 - rate) / runs))


def test_a_version_as_good_as_the_champion_is_hardly_ever_stopped() -> None:
    runs = 250
    expected = 0.4 / 3  # mean |difference| of two uniform errors of ±0.2
    ends = [
        run(same_quality(3000, np.random.default_rng(seed)), expected=expected)[0].state
        for seed in range(runs)
    ]
    assert ends.count(S.ABORTED) / runs <= allowed(ALPHA, runs)
    assert ends.count(S.WATCHED) / runs >= 0.9


def test_a_version_worse_by_the_margin_hardly_ever_goes_live() -> None:
    runs = 200
    ends = [
        run(
            worse_by_the_margin(2500, np.random.default_rng(seed)),
            expected=float(np.sqrt(MARGIN)),
            tolerance=MARGIN,
        )[0].state
        for seed in range(runs)
    ]
    assert ends.count(S.WATCHED) / runs <= allowed(ALPHA, runs)


@pytest.mark.parametrize(
    ("fault", "rule", "within"),
    [
        ("swapped classes", "differs", 200),
        ("lost column", "differs", 600),
        ("fails a fifth", "failed", 200),
        ("worse", "loses", 3000),
        ("slow", "slower", 1200),
    ],
)
def test_a_bad_version_is_stopped_soon(fault: str, rule: str, within: int) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        table = same_quality(3000, random)
        expected = 0.4 / 3
        if fault == "swapped classes":
            table["score_new"] = 1 - table["score_new"]
            expected = 0.05
        elif fault == "lost column":
            table["score_new"] = random.uniform(0, 1, 3000)
        elif fault == "fails a fifth":
            table["error_new"] = random.random(3000) < 0.2
        elif fault == "slow":
            table["live_seconds"][table["live_new"]] *= 4
            table["label_at"] = np.full(3000, np.inf)
        else:  # confidently wrong at times, within the slack of disagreement
            table["score_new"] = np.clip(
                table["score_old"] + 0.19 * random.choice([-1, 1], 3000), 0, 1
            )
            table["score_old"] = np.clip(table["score_old"], 0, 1)
        release, rows = run(table, expected=expected, every=50)
        assert release.state == S.ABORTED, (fault, seed, release.reason)
        assert rows <= within, (fault, seed, rows)
        assert rule in release.reason


def test_thin_traffic_is_inconclusive() -> None:
    table = same_quality(150, np.random.default_rng(0))
    release, _ = run(table, expected=0.13)
    assert (release.state, release.step) == (S.CANARY, 0)
    late = START + timedelta(days=4)
    seen = Evidence(pairs=150, log_e_fine=9.0)
    end = next_transition(release, seen, POLICY, late, Context(step_pairs=150, live=1))
    assert end is not None
    assert end.state == S.INCONCLUSIVE


def test_without_labels_it_still_goes_live_and_says_so() -> None:
    table = same_quality(2000, np.random.default_rng(0))
    table["label_at"] = np.full(2000, np.inf)
    assert run(table, expected=0.13)[0].state == S.CANARY
    release, _ = run(table, expected=0.13, labels=False)
    assert release.state == S.WATCHED
    assert "labels come too late" in release.reason
