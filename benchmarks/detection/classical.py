"""A test a column a day: Kolmogorov–Smirnov and χ², by Bonferroni and by Benjamini–Hochberg."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp

from detection.judge import Track
from detection.streams import Stream, day_of

LEVELS = [*(10.0**-k for k in np.arange(30, 1.4, -0.25)), 0.05, 0.07, 0.1, 0.15, 0.2, 0.3]
USUAL = LEVELS.index(0.05)


def watch(stream: Stream) -> dict[str, Track]:
    """Days on which a column was rejected at each level, by both corrections."""
    p = np.array([_values(stream, day) for day in range(stream.days)])
    ranked = np.sort(p, axis=1)
    columns = p.shape[1]
    least = {
        "KS, Bonferroni": ranked[:, 0] * columns,
        "KS, Benjamini–Hochberg": (ranked * columns / np.arange(1, columns + 1)).min(axis=1),
    }
    return {
        name: Track(
            settings=[f"level {level:.2g}" for level in LEVELS], usual=USUAL,
            days=[np.flatnonzero(values <= level).tolist() for level in LEVELS],
        )
        for name, values in least.items()
    }  # fmt: skip


def _values(stream: Stream, day: int) -> NDArray[np.float64]:
    """p-values of the prediction and the features on one day."""
    today = stream.production.filter(day_of(stream.production) == day)
    return np.array(
        [_test(stream.reference[name], today[name]) for name in ("prediction", *stream.features)]
    )


def _test(reference: pl.Series, today: pl.Series) -> float:
    if reference.dtype == pl.String:
        known = reference.value_counts(name="a")
        table = known.join(today.value_counts(name="b"), on=reference.name, how="full")
        counts = table.select(pl.col("a", "b").fill_null(0)).to_numpy().T
        return float(chi2_contingency(counts).pvalue) if counts.shape[1] > 1 else 1.0
    a, b = (one.fill_nan(None).drop_nulls().to_numpy() for one in (reference, today))
    if not b.size:
        return 1.0
    return float(ks_2samp(a, b, method="asymp").pvalue)
