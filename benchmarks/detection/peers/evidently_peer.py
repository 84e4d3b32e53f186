"""Evidently: the tests that its DataDriftPreset chooses by default, for each column and day.

The tests are called one by one, since a report of a day takes seconds; on the first day they are
held against what the preset itself reports.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from answering import above, answer
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests import get_stattest
from evidently.legacy.core import ColumnType
from evidently.presets import DataDriftPreset

DISTANCES = [*np.geomspace(3.0, 0.102, 60).tolist(), 0.1, 0.09, 0.08, 0.07, 0.06, 0.05, 0.04, 0.03]
LEVELS = [*np.arange(30, 1.4, -0.25).tolist(), -float(np.log10(0.05)), 1.0]

checked: set[bool] = set()


def judge(arrays: dict[str, Any]) -> dict[str, Any]:
    names, texts = arrays["names"].tolist(), set(arrays["texts"].tolist())
    before = _frame(arrays, "reference", names, texts)
    after = _frame(arrays, "production", names, texts)
    days = arrays["production day"]
    by_day = [after[days == day] for day in range(int(arrays["days"]))]
    small = len(before) <= 1000  # then p-values, else distances
    scores = np.array([_scores(before, today, texts) for today in by_day])
    _check(before, by_day[0], names, texts, scores[0])
    if small:
        with np.errstate(divide="ignore"):
            scores = -np.log10(scores)
    knobs, word = (LEVELS, "p below 10^-") if small else (DISTANCES, "distance")
    ranked = -np.sort(-scores, axis=1)
    half = int(np.ceil(len(names) / 2)) - 1
    usual = LEVELS.index(-float(np.log10(0.05))) if small else DISTANCES.index(0.1)
    return {
        "Evidently preset, any column": above(ranked[:, 0], knobs, usual, word),
        "Evidently preset, half of the columns": above(ranked[:, half], knobs, usual, word),
    }


def _frame(arrays: dict[str, Any], part: str, names: list[str], texts: set[str]) -> pd.DataFrame:
    columns = {name: arrays[f"{part} {name}"] for name in names}
    return pd.DataFrame(
        {
            name: pd.Series(values).map(lambda code: f"v{code}") if name in texts else values
            for name, values in columns.items()
        }
    )


def _scores(before: pd.DataFrame, today: pd.DataFrame, texts: set[str]) -> list[float]:
    result = []
    for name in before.columns:
        kind = ColumnType.Categorical if name in texts else ColumnType.Numerical
        a, b = before[name].dropna(), today[name].dropna()
        test = get_stattest(a, b, kind, None)
        result.append(float(test(a, b, kind, None).drift_score))
    return result


def _check(
    before: pd.DataFrame, today: pd.DataFrame, names: list[str], texts: set[str],
    scores: np.ndarray,
) -> None:  # fmt: skip
    """Once for each kind of test: the preset's own numbers are the same."""
    if (len(before) <= 1000) in checked:
        return
    kinds = DataDefinition(
        numerical_columns=[name for name in names if name not in texts],
        categorical_columns=sorted(texts),
    )
    report = Report([DataDriftPreset()]).run(
        Dataset.from_pandas(today.reset_index(drop=True), data_definition=kinds),
        Dataset.from_pandas(before, data_definition=kinds),
    )
    said = {
        one["config"]["column"]: float(one["value"])
        for one in report.dict()["metrics"]
        if "column" in one["config"]
    }
    for name, score in zip(names, scores, strict=True):
        if not np.isclose(said[name], score, rtol=1e-6, atol=1e-9):
            raise ValueError(f"the preset says {said[name]} of {name}, its test {score}")
    checked.add(len(before) <= 1000)


if __name__ == "__main__":
    answer(judge)
