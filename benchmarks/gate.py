"""How often the gate is wrong: false promotions at the border of its promise, and what it finds.

The truth of every simulation is known (``holdfast.testing.worlds``), so each verdict is right or
wrong. All rates come with Clopper–Pearson intervals at 95 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import report
from options import Options
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from holdfast.gate.calibrated import check_calibration
from holdfast.gate.champion import check_champion
from holdfast.gate.evidence import GateEvidence
from holdfast.gate.fairness import check_fairness
from holdfast.gate.slices import check_slices
from holdfast.records import Check
from holdfast.spec import Fairness, Gate
from holdfast.statistics.exact import clopper_pearson
from holdfast.testing import worlds

ROWS = 2_000
MARGIN = 0.02
ALPHA = 0.05
SIMULATIONS = 200

Judge = Callable[[int], Check | None]


def measure(options: Options, work: Path) -> report.Report:  # noqa: ARG001
    many = options.count(SIMULATIONS)
    return report.Report(
        name="gate",
        about=f"Verdicts on simulated versions whose true difference is known; alpha {ALPHA}. "
        "Rates with 95 % Clopper–Pearson intervals.",
        tables=[],
        grids=[_border(many), _equal(many), _power(many), _slices(many), _candidate(many)],
        notes=[
            f"{ROWS:,} held-out rows unless said otherwise; margin {MARGIN} of the metric.",
            "At the border is the hardest case: who is worse than that is promoted less often.",
            f"A rate of exactly 5 % shows as 2 % to 9 % in {SIMULATIONS} simulations.",
        ],
    )


def _border(many: int) -> report.Grid:
    """H0: the candidate is worse by exactly the margin."""
    lines = []
    for number, (metric, world) in enumerate(worlds.WORLDS.items()):
        policy = Gate(metric=metric, margin=MARGIN, alpha=ALPHA)

        def judge(seed: int, world=world, policy=policy, number=number) -> Check | None:
            evidence = world(np.random.default_rng([1, number, seed]), ROWS, MARGIN)
            return check_champion(evidence, policy, seed=seed)

        found = _outcomes(judge, many)
        lines.append([metric, *(_share(found[name], many) for name in ("pass", "fail"))])
    return report.Grid(
        "false promotions: the candidate is worse by exactly the margin",
        ["metric", "promoted (allowed: 5 %)", "called worse"],
        lines,
    )


def _equal(many: int) -> report.Grid:
    """A/A: both are trained on resamples of the same rows; promoted only when shown better."""
    lines = []
    for number, metric in enumerate(("accuracy", "roc_auc")):
        for superior in (True, False):
            policy = Gate(metric=metric, margin=MARGIN, alpha=ALPHA, superior=superior)
            promoted = wrong = failed = 0
            for seed in range(many):
                evidence, truth = _trained(np.random.default_rng([2, number, seed]), metric)
                check = check_champion(evidence, policy, seed=seed)
                assert check is not None
                promoted += check.outcome == "pass"
                failed += check.outcome == "fail"
                border = 0.0 if superior else -MARGIN
                wrong += check.outcome == "pass" and truth < border
            asked = "to be better" if superior else f"not to be worse by {MARGIN}"
            cells = [_share(each, many) for each in (promoted, wrong, failed)]
            lines.append([metric, asked, *cells])
    return report.Grid(
        "A/A: logistic regressions on two resamples of the same 400 rows; truth on 40,000 others",
        ["metric", "must be shown", "promoted", "promoted wrongly (allowed: 5 %)", "called worse"],
        lines,
    )


def _trained(random: np.random.Generator, metric: str) -> tuple[GateEvidence, float]:
    weights = np.array([1.0, -0.7, 0.5, 0.3, 0.0, 0.0, 0.0, 0.0])

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        x = random.normal(size=(n, weights.size))
        return x, (random.random(n) < 1 / (1 + np.exp(-x @ weights))).astype(int)

    x, y = draw(400)
    models = []
    for _ in range(2):
        rows = random.integers(0, len(y), len(y))
        models.append(LogisticRegression().fit(x[rows], y[rows]))
    x, y = draw(40_000)
    scores = [model.predict_proba(x)[:, 1] for model in models]
    if metric == "roc_auc":
        values = [roc_auc_score(y, score) for score in scores]
    else:
        values = [float(np.mean((score >= 0.5) == y)) for score in scores]
    x, y = draw(ROWS)
    new, old = (model.predict_proba(x)[:, 1] for model in models)
    evidence = GateEvidence(
        model="simulated", version=2, champion=1, task="binary", truth=y, score=new,
        champion_score=old,
    )  # fmt: skip
    return evidence, values[0] - values[1]


def _power(many: int) -> report.Grid:
    lines = []
    for number, metric in enumerate(("accuracy", "roc_auc")):
        policy = Gate(metric=metric, margin=MARGIN, alpha=ALPHA)
        for worse in (0.0, 0.01, 0.03, 0.05):

            def judge(
                seed: int, metric=metric, worse=worse, policy=policy, number=number
            ) -> Check | None:
                random = np.random.default_rng([3, number, int(worse * 1000), seed])
                evidence = worlds.WORLDS[metric](random, ROWS, worse)
                return check_champion(evidence, policy, seed=seed)

            found = _outcomes(judge, many)
            cells = [_share(found[name], many) for name in ("pass", "inconclusive", "fail")]
            lines.append([metric, f"{worse:g}", *cells])
    return report.Grid(
        f"power: what is said of a candidate that is worse by so much (margin {MARGIN})",
        ["metric", "worse by", "pass", "inconclusive", "fail"],
        lines,
    )


def _slices(many: int) -> report.Grid:
    policy = Gate(metric="neg_brier_score", alpha=ALPHA, slices=("part",), slice_margin=0.01)
    cases = [
        ("no slice is worse", 0.0, False),
        ("all 20 slices are worse by exactly the margin, 0.01", 0.01, True),
        ("one slice is worse by 0.03", 0.03, False),
        ("one slice is worse by 0.05", 0.05, False),
        ("one slice is worse by 0.08", 0.08, False),
    ]
    lines = []
    for number, (name, worse, everywhere) in enumerate(cases):
        failed = right = 0
        for seed in range(many):
            random = np.random.default_rng([4, number, seed])
            check = check_slices(
                worlds.sliced(random, 10_000, worse, everywhere=everywhere), policy
            )
            assert check is not None
            failed += check.outcome == "fail"
            right += check.outcome == "fail" and check.detail[0]["slice"] == "part=0"
        planted = worse > 0 and not everywhere
        lines.append([name, _share(failed, many), _share(right, many) if planted else "–"])
    return report.Grid(
        "slices: 20 of 5 % each of 10,000 rows, Brier loss, corrected by Holm",
        ["truth", "check fails", "and names the slice"],
        lines,
    )


def _candidate(many: int) -> report.Grid:
    fair = Gate(
        metric="accuracy", alpha=ALPHA,
        fairness=(Fairness(column="group", measure="selection_rate", max_gap=0.1),),
    )  # fmt: skip
    exact = Gate(metric="accuracy", alpha=ALPHA, max_calibration_error=0.05)

    def fairness(gap: float) -> Judge:
        return lambda seed: check_fairness(
            worlds.grouped(np.random.default_rng([5, int(gap * 1000), seed]), 4 * ROWS, gap), fair
        )[0]

    def calibration(error: float) -> Judge:
        return lambda seed: check_calibration(
            worlds.miscalibrated(
                np.random.default_rng([6, int(error * 1000), seed]), 4 * ROWS, error
            ),
            exact,
        )

    cases = [
        *((f"fairness: a gap of {gap} (allowed: 0.1)", fairness(gap))
          for gap in (0.0, 0.05, 0.1, 0.15, 0.2)),
        *((f"calibration: an error of {error} (allowed: 0.05)", calibration(error))
          for error in (0.0, 0.025, 0.05, 0.075, 0.1)),
    ]  # fmt: skip
    lines = []
    for name, judge in cases:
        found = _outcomes(judge, many)
        cells = [_share(found[each], many) for each in ("pass", "inconclusive", "fail")]
        lines.append([name, *cells])
    return report.Grid(
        f"checks of the candidate alone, on {4 * ROWS:,} rows (fairness: 4 groups)",
        ["truth", "pass", "inconclusive", "fail"],
        lines,
    )


def _outcomes(judge: Judge, many: int) -> Counter[str]:
    checks: Iterable[Check | None] = (judge(seed) for seed in range(many))
    return Counter(check.outcome for check in checks if check is not None)


def _share(hits: int, many: int) -> str:
    low, high = clopper_pearson(hits, many, 0.025)
    return f"{hits} of {many}: {hits / many:.1%} ({low:.1%} – {high:.1%})"
