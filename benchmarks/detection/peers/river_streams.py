"""Rows of river's generators: a request as JSON in, the path of their arrays out.

The concept changes after ``change`` of ``rows`` rows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from river.datasets import synth

Rows = Iterator[tuple[dict[Any, Any], Any]]


def rows(name: str, seed: int, change: int, many: int, size: float) -> Rows:
    """``many`` rows, changed after the first ``change`` of them."""
    if name == "hyperplane":
        plane = synth.Hyperplane(
            seed=seed, n_features=10, n_drift_features=5, mag_change=0.0, noise_percentage=0.05
        )
        endless = iter(plane)
        yield from islice(endless, change)
        plane.mag_change = size
        yield from islice(endless, many - change)
        return
    yield from _generator(name, seed, changed=False, size=size).take(change)
    yield from _generator(name, seed + 500_000, changed=True, size=size).take(many - change)


def _generator(name: str, seed: int, *, changed: bool, size: float) -> Any:
    if name == "sea":
        return synth.SEA(variant=int(size) if changed else 0, seed=seed, noise=0.1)
    if name == "agrawal":
        function = int(size) if changed else 0
        return synth.Agrawal(classification_function=function, seed=seed, perturbation=0.05)
    if name == "stagger":
        return synth.STAGGER(classification_function=int(size) if changed else 0, seed=seed)
    return synth.LEDDrift(
        seed=seed, noise_percentage=0.1, irrelevant_features=True,
        n_drift_features=int(size) if changed else 0,
    )  # fmt: skip


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        path = asked.pop("path")
        x, y = zip(*rows(**asked), strict=True)
        table = np.array([list(row.values()) for row in x], dtype=np.float64)
        # Ten digits become two classes: from five on or not.
        label = np.array(y, dtype=np.int64) >= 5 if asked["name"] == "led" else np.array(y)
        np.savez(path, x=table, y=label.astype(np.int64))
        print(path, flush=True)


if __name__ == "__main__":
    main()
