"""whylogs: a profile of the rows, and its drift scores against the reference's profile."""

import sys

import pandas as pd
import whylogs
from timing import told
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

from data import CATEGORICAL, NUMERIC


def profile(folder: str) -> object:
    frame = pd.read_parquet(folder, columns=[*NUMERIC, *CATEGORICAL])
    return whylogs.log(frame).profile().view()


def work(reference: object) -> int:
    scores = calculate_drift_scores(profile(sys.argv[2]), reference, with_thresholds=True)
    return sum(score is not None for score in scores.values())


told(lambda: profile(sys.argv[1]), work)
