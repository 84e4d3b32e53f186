"""NannyML: univariate drift and CBPE as they come, in chunks of a day.

Their alert is a value beyond mean ± 3 standard deviations of the held-out chunks; the knob is that
3. At 3 it is checked against their own alerts.
"""

from __future__ import annotations

import warnings
from typing import Any

import nannyml as nml
import numpy as np
import pandas as pd
from answering import above, answer

warnings.filterwarnings("ignore")

KNOBS = [*np.geomspace(60.0, 3.1, 45).tolist(), 3.0, 2.75, 2.5, 2.25, 2.0, 1.5]
METRICS = ["roc_auc"]
FIRST = pd.Timestamp("2026-03-01")


def judge(arrays: dict[str, Any]) -> dict[str, Any]:
    names, texts = arrays["names"].tolist(), arrays["texts"].tolist()
    before, after = (_frame(arrays, part, names) for part in ("reference", "production"))
    usual = KNOBS.index(3.0)
    drift = nml.UnivariateDriftCalculator(
        column_names=names, treat_as_categorical=texts, timestamp_column_name="t", chunk_period="D"
    )
    found = drift.fit(before).calculate(after)
    cbpe = nml.CBPE(
        y_pred_proba="prediction", y_pred="answer", y_true="label", metrics=METRICS,
        problem_type="classification_binary", timestamp_column_name="t", chunk_period="D",
    )  # fmt: skip
    told = cbpe.fit(before).estimate(after)
    moved = _beyond(found, [(name, "jensen_shannon") for name in names], "value")
    worse = _beyond(told, [(name,) for name in METRICS], "realized")
    return {
        "NannyML, univariate": above(moved, KNOBS, usual, "deviations"),
        "NannyML, CBPE": above(worse, KNOBS, usual, "deviations"),
    }


def _frame(arrays: dict[str, Any], part: str, names: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame({name: arrays[f"{part} {name}"] for name in names})
    frame["prediction"] = arrays[f"{part} prediction"]
    frame["answer"] = (frame["prediction"] >= 0.5).astype(int)
    frame["label"] = arrays[f"{part} label"]
    frame["t"] = FIRST + pd.to_timedelta(arrays[f"{part} day"], unit="D")
    return frame


def _beyond(result: Any, keys: list[tuple[str, ...]], centre: str) -> np.ndarray:
    """(days,) the furthest of all columns from its mean, in standard deviations."""
    before = result.filter(period="reference").to_df()
    after = result.filter(period="analysis").to_df()
    worst, alerts = np.zeros(len(after)), np.zeros(len(after), dtype=bool)
    for key in keys:
        middle = float(before[(*key, centre)].mean())
        lower = float(after[(*key, "lower_threshold")].fillna(-np.inf).iloc[0])
        upper = float(after[(*key, "upper_threshold")].fillna(np.inf).iloc[0])
        # One of the two may be cut off at the bounds of the metric, or not be used at all.
        spread = max(x for x in (middle - lower, upper - middle) if np.isfinite(x)) / 3
        value = after[(*key, "value")].to_numpy(dtype=float)
        above_it = value - middle if np.isfinite(upper) else np.zeros(len(value))
        below_it = middle - value if np.isfinite(lower) else np.zeros(len(value))
        away = np.nan_to_num(np.maximum(above_it, below_it) / max(spread, 1e-300))
        worst = np.maximum(worst, away)
        alerts |= after[(*key, "alert")].to_numpy(dtype=bool)
    if ((worst > 3) != alerts).sum() > 1:  # one may lie on the very border
        raise ValueError("their alerts are not those of mean ± 3 standard deviations")
    return worst


if __name__ == "__main__":
    answer(judge)
