"""Candidates and champions of which the true difference is known, to count the gate's mistakes.

Each world draws held-out rows and the answers of two models on them, such that in the population
the metric of the candidate is lower than that of the champion by exactly ``worse``. What the gate
says can then be held against the truth: ``tests/gate/test_error_rates.py``, ``benchmarks/gate.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from holdfast.gate.evidence import GateEvidence

Generator = np.random.Generator


def accuracy(random: Generator, n: int, worse: float) -> GateEvidence:
    """The champion is right on 80 % of rows; on a few rows just one of both is right."""
    truth = random.integers(0, 2, n)
    lost, won = 0.04 + max(worse, 0.0), 0.04 + max(-worse, 0.0)
    draw = random.random(n)
    both = 0.8 - lost
    champion = draw < both + lost
    candidate = (draw < both) | ((draw >= both + lost) & (draw < both + lost + won))
    answer = [np.where(right, truth, 1 - truth) * 0.8 + 0.1 for right in (candidate, champion)]
    return _evidence("binary", truth, *answer)


def roc_auc(random: Generator, n: int, worse: float) -> GateEvidence:
    """Normal scores in both classes, correlated: AUC = Φ(shift / √2), 0.80 for the champion."""
    from scipy.special import ndtr, ndtri

    truth = (random.random(n) < 0.3).astype(np.intp)
    shared = random.normal(size=n)
    answer = []
    for area in (0.8 - worse, 0.8):
        noise = np.sqrt(0.8) * shared + np.sqrt(0.2) * random.normal(size=n)
        answer.append(ndtr(noise + truth * np.sqrt(2) * ndtri(area)))
    return _evidence("binary", truth, *answer)


def neg_brier_score(random: Generator, n: int, worse: float) -> GateEvidence:
    """The champion knows the chances; the candidate is off by √worse, to either side."""
    chance = random.uniform(0.3, 0.7, n)
    truth = (random.random(n) < chance).astype(np.intp)
    off = random.choice([-1.0, 1.0], n) * np.sqrt(abs(worse))
    answers = (chance + off, chance) if worse >= 0 else (chance, chance + off)
    return _evidence("binary", truth, *answers)


def neg_mean_absolute_error(random: Generator, n: int, worse: float) -> GateEvidence:
    """Normal errors, correlated: the mean absolute error is σ·√(2/π), 0.40 for the champion."""
    truth = random.normal(size=n)
    shared = random.normal(size=n)
    answer = [
        truth
        + error * np.sqrt(np.pi / 2)
        * (np.sqrt(0.8) * shared + np.sqrt(0.2) * random.normal(size=n))
        for error in (0.4 + worse, 0.4)
    ]  # fmt: skip
    return _evidence("regression", truth, *answer)


World = Callable[[Generator, int, float], GateEvidence]

WORLDS: Mapping[str, World] = {
    "accuracy": accuracy,
    "roc_auc": roc_auc,
    "neg_brier_score": neg_brier_score,
    "neg_mean_absolute_error": neg_mean_absolute_error,
}
"""The world of each metric."""


def sliced(
    random: Generator, n: int, worse: float, *, slices: int = 20, everywhere: bool = False
) -> GateEvidence:
    """Equal slices; the Brier loss of slice ``0`` (or of all) is greater by ``worse``."""
    place = np.arange(n) % slices
    chance = random.uniform(0.3, 0.7, n)
    truth = (random.random(n) < chance).astype(np.intp)
    off = random.choice([-1.0, 1.0], n) * np.sqrt(worse)
    score = chance + np.where(everywhere | (place == 0), off, 0.0)
    return _evidence("binary", truth, score, chance, slices={"part": place})


def grouped(random: Generator, n: int, gap: float, *, groups: int = 4) -> GateEvidence:
    """Groups of equal size of which group ``0`` is answered positive more often by ``gap``."""
    place = np.arange(n) % groups
    answered = random.random(n) < 0.4 + gap * (place == 0)
    return _evidence(
        "binary", random.integers(0, 2, n), np.where(answered, 0.9, 0.1), None,
        groups={"group": place},
    )  # fmt: skip


def miscalibrated(random: Generator, n: int, error: float) -> GateEvidence:
    """Probabilities that are ``error`` too high in half of the rows and too low in the other."""
    said = random.uniform(0.2, 0.8, n)
    truth = random.random(n) < said + np.where(said < 0.5, error, -error)
    return _evidence("binary", truth.astype(np.intp), said, None)


def _evidence(task: Any, truth: Any, score: Any, champion_score: Any, **more: Any) -> GateEvidence:
    champion = None if champion_score is None else 1
    return GateEvidence(
        model="simulated", version=2, champion=champion, task=task, truth=truth, score=score,
        champion_score=champion_score, **more,
    )  # fmt: skip
