from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from holdfast.gate.evidence import GateEvidence

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def make():
    """Evidence of a candidate that answers like the champion but for a little noise."""

    def build(n=400, seed=1, noise=0.01, worse=0.0, **given):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 2, n)
        champion = np.clip(0.35 * truth + 0.65 * rng.random(n), 0, 1)
        score = np.clip(champion + rng.normal(0, noise, n), 0, 1)
        hit = rng.random(n) < worse
        score[hit] = 1 - score[hit]
        values = {
            "model": "delay", "version": 4, "task": "binary", "truth": truth, "score": score,
            "champion": 3, "champion_score": champion,
        }  # fmt: skip
        return GateEvidence(**(values | given))

    return build
