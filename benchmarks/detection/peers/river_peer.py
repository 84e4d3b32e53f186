"""river: ADWIN and Page–Hinkley on every column and on errors, DDM and KSWIN on errors.

All have seen the last two held-out weeks before the first day of production. KSWIN takes 150 µs a
value, so it watches errors only, and is run once: its p-values tell when it would have alarmed at
each level, but for the values it leaves out after an alarm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from answering import answer, track
from river import drift

WARM = 14
DELTAS = [1e-30, 1e-15, 1e-10, 1e-7, 1e-5, 1e-4, 2e-3, 0.02]
SUMS = [3200.0, 1600.0, 800.0, 400.0, 200.0, 100.0, 50.0, 25.0]
SIGMAS = [20.0, 10.0, 6.0, 5.0, 4.0, 3.5, 3.0, 2.5]
LEVELS = [10.0**-k for k in np.arange(16, 2.4, -0.5)] + [5e-3]

Values = list[tuple[int, float]]


def judge(arrays: dict[str, Any]) -> dict[str, Any]:
    kept = slice(None) if arrays["knobs"] else slice(-2, -1)  # or the default alone
    deltas, sums, sigmas = DELTAS[kept], SUMS[kept], SIGMAS[kept]
    columns = [_column(arrays, name) for name in arrays["names"].tolist()]
    errors = [_errors(arrays)]
    found = {
        "river ADWIN, columns": _run(columns, deltas, "delta", lambda k: drift.ADWIN(delta=k)),
        "river Page–Hinkley, columns": _run(
            columns, sums, "threshold", lambda k: drift.PageHinkley(threshold=k)
        ),
        "river ADWIN, errors": _run(errors, deltas, "delta", lambda k: drift.ADWIN(delta=k)),
        "river Page–Hinkley, errors": _run(
            errors, sums, "threshold", lambda k: drift.PageHinkley(threshold=k)
        ),
        "river DDM, errors": _run(
            errors, sigmas, "sigmas", lambda k: drift.binary.DDM(drift_threshold=k)
        ),
    }
    if arrays["slow"]:
        found["river KSWIN, errors"] = _kswin(errors[0])
    return found


def _column(arrays: dict[str, Any], name: str) -> Values:
    """Standardised by the held-out rows; of a text, whether it is the most frequent one."""
    before, after = arrays[f"reference {name}"], arrays[f"production {name}"]
    if name in arrays["texts"].tolist():
        most = np.bincount(before).argmax()
        before, after = (before == most).astype(float), (after == most).astype(float)
    middle, spread = np.nanmean(before), np.nanstd(before) or 1.0
    values = (np.concatenate([before, after]) - middle) / spread
    day = np.concatenate([arrays["reference day"], arrays["production day"]])
    kept = (day >= -WARM) & ~np.isnan(values)
    return list(zip(day[kept].tolist(), values[kept].tolist(), strict=True))


def _errors(arrays: dict[str, Any]) -> Values:
    """Whether answers were wrong, in the order in which their labels came."""
    wrong = [
        (arrays[f"{part} prediction"] >= 0.5) != (arrays[f"{part} label"] == 1)
        for part in ("reference", "production")
    ]
    day = np.concatenate([arrays["reference day"], arrays["production label day"]])
    kept = (day >= -WARM) & (day < int(arrays["days"]))
    order = np.argsort(day[kept], kind="stable")
    values = np.concatenate(wrong)[kept][order].astype(int)
    return list(zip(day[kept][order].tolist(), values.tolist(), strict=True))


def _run(
    streams: list[Values], knobs: list[float], word: str, make: Callable[[float], Any]
) -> dict[str, Any]:
    """Any of the detectors; they start afresh by themselves after an alarm."""
    result = []
    for knob in knobs:
        days: set[int] = set()
        for values in streams:
            detector = make(knob)
            for day, value in values:
                detector.update(value)
                if detector.drift_detected and day >= 0:
                    days.add(day)
        result.append(sorted(days))
    usual = max(len(knobs) - 2, 0)  # the last is laxer than the default
    return track([f"{word} {knob:g}" for knob in knobs], usual, result)


def _kswin(values: Values) -> dict[str, Any]:
    detector = drift.KSWIN(alpha=1e-300, seed=1)
    least: dict[int, float] = {}
    for day, value in values:
        detector.update(value)
        if day >= 0 and detector.n >= detector.window_size:
            least[day] = min(least.get(day, 1.0), float(detector.p_value))
    days = [sorted(day for day, p in least.items() if p <= level) for level in LEVELS]
    return track([f"alpha {level:.2g}" for level in LEVELS], len(LEVELS) - 1, days)


if __name__ == "__main__":
    answer(judge)
