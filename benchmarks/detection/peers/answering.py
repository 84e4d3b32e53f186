"""Runs in a peer's environment: a path to arrays in on standard input, a line of JSON out.

What the peer itself prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np


def answer(judge: Callable[[Any], Any]) -> None:
    """Answers until its input ends; an error of the peer is an answer too."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        try:
            with np.load(line.strip()) as arrays:
                found = judge(dict(arrays))
        except Exception as error:  # noqa: BLE001 (whatever the peer raises)
            found = {"error": f"{type(error).__name__}: {error}"[:500]}
        out.write(json.dumps(found) + "\n")
        out.flush()


def track(settings: list[str], usual: int, days: list[list[int]]) -> dict[str, Any]:
    """As ``detection.judge.Track``, for which this environment lacks the packages."""
    return {"settings": settings, "usual": usual, "days": days}


def above(scores: np.ndarray, knobs: list[float], usual: int, word: str) -> dict[str, Any]:
    """A monitor that alarms on days whose score exceeds a knob; the largest is the strictest."""
    days = [np.flatnonzero(scores > knob).tolist() for knob in knobs]
    return track([f"{word} {knob:.3g}" for knob in knobs], usual, days)
