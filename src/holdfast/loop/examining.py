"""Looks at a candidate for the gate: single features, latency, and what its pickle imports."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl

from holdfast.bundle.columns import count, from_polars, take
from holdfast.bundle.manifest import read_file
from holdfast.bundle.native import FILES
from holdfast.bundle.pickles import imports_of
from holdfast.bundle.predictor import Predictor
from holdfast.data.splits import Split
from holdfast.gate.evidence import Alone
from holdfast.monitoring.views import make_space, place, vectors, width_of
from holdfast.records import Version
from holdfast.spec import Spec
from holdfast.statistics.exact import quantile_bounds
from holdfast.statistics.losses import Floats, Indices
from holdfast.statistics.single import explained, number_cells, one_hot

LATENCY_ROWS = 400
WARM_UP = 50
_ROWS = 50_000
_SHARE = 0.99


def latency(
    predictor: Predictor, rows: pl.DataFrame, alpha: float
) -> tuple[float, tuple[float, float]]:
    """99th percentile of one-row predictions, in seconds, as the server will run them; its bounds.

    Args:
        predictor: the candidate.
        rows: held-out rows.
        alpha: error rate of each bound.
    """
    columns = from_polars(rows.head(LATENCY_ROWS + WARM_UP), predictor.manifest.signature)
    single = [take(columns, slice(i, i + 1)) for i in range(count(columns))]
    seconds = []
    for row in single:
        began = time.perf_counter()
        predictor.predict(row, 1)
        seconds.append(time.perf_counter() - began)
    measured = np.sort(seconds[min(WARM_UP, len(seconds) // 2) :])
    low, high = quantile_bounds(len(measured), _SHARE, alpha)
    bounds = float(measured[low]), float(measured[high])
    return float(np.quantile(measured, _SHARE)), bounds


def imports(version: Version, predictor: Predictor) -> frozenset[str]:
    """Names that loading the version's pickle would import; none when it holds no pickle.

    Raises:
        BundleError: when the pickle cannot be read.
    """
    manifest = predictor.manifest
    if manifest.native != "pickle":
        return frozenset()
    return imports_of(read_file(Path(version.bundle_path), manifest, FILES["pickle"]))


def alone(spec: Spec, split: Split, classes: tuple[object, ...]) -> tuple[Alone, ...]:
    """What each feature explains of the label by itself: learned on the newest training rows."""
    train, test = split.train.tail(_ROWS), split.test.tail(_ROWS)
    label = spec.data.label
    wanted = [_target(frame[label], spec, classes) for frame in (train, test)]
    found = []
    for name in spec.data.features:
        known, new = _cells(train[name], test[name])
        found.append(Alone(name, *explained(known, wanted[0], new, wanted[1])))
    return tuple(found)


def _target(labels: pl.Series, spec: Spec, classes: tuple[object, ...]) -> Floats:
    if spec.model.task == "regression":
        return labels.cast(pl.Float64).to_numpy()
    return one_hot(labels.to_numpy(), classes)


def _cells(train: pl.Series, test: pl.Series) -> tuple[Indices, Indices]:
    if isinstance(train.dtype, pl.Array):
        return _regions(train, test)
    both = pl.concat([train, test])
    if both.dtype == pl.String:
        codes = both.rank("dense").fill_null(0).to_numpy().astype(np.intp)
        return codes[: len(train)], codes[len(train) :]
    numbers = both.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return number_cells(numbers[: len(train)], numbers[len(train) :])


def _regions(train: pl.Series, test: pl.Series) -> tuple[Indices, Indices]:
    """Vectors by the nearest of the centres learned from; null has a cell of its own."""
    width = width_of(train)
    space = make_space(vectors(train, width))
    if space is None:
        return np.zeros(len(train), np.intp), np.zeros(len(test), np.intp)
    cells = [
        place(vectors(rows, width), space).cluster.cast(pl.Int64).fill_null(-1).to_numpy()
        for rows in (train, test)
    ]
    return cells[0].astype(np.intp) + 1, cells[1].astype(np.intp) + 1
