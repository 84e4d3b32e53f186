"""Real estimators, the rows they learnt from, and bundles of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import polars as pl
import pytest

from holdfast.records import BundleManifest, Reference
from holdfast.registry.build import build_bundle
from holdfast.spec import Spec, parse_spec

KEY = bytes(range(32))
NOW = datetime(2024, 5, 1, tzinfo=UTC)
NUMBERS = ["amount", "age", "count"]
FEATURES = ["amount", "age", "count", "member", "city"]


def rows(n: int = 600, seed: int = 0) -> pl.DataFrame:
    """A frame of every type: doubles (one with nulls), longs, booleans, strings with nulls."""
    rng = np.random.default_rng(seed)
    amount, age = rng.normal(size=n), rng.uniform(18, 90, n)
    count, member = rng.integers(0, 9, n), rng.random(n) < 0.4
    city = rng.choice(np.array(["Oslo", "Bergen", "Tromsø"]), n)
    value = amount + 0.4 * count + member * (city == "Oslo") + 0.1 * rng.normal(size=n)
    return pl.DataFrame(
        {
            "at": [NOW + timedelta(minutes=i) for i in range(n)],
            "amount": pl.Series(amount).set(pl.Series(rng.random(n) < 0.1), None),
            "age": age,
            "count": count,
            "member": member,
            "city": pl.Series(city).set(pl.Series(rng.random(n) < 0.1), None),
            "value": value,
            "late": value > np.median(value),
            "grade": np.array(["low", "mid", "high"])[np.digitize(value, [1.0, 2.5])],
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )


def spec_of(
    task: str = "binary",
    features: list[str] | None = None,
    label: str = "late",
    extra: str = "",
) -> Spec:
    """A spec for :func:`rows`."""
    metric = "r2" if task == "regression" else "roc_auc"
    return parse_spec(
        f"""
        [model]
        name = "toy"
        task = "{task}"
        train = "toy:train"
        {extra}
        [data]
        source = "rows.parquet"
        time = "at"
        label = "{label}"
        features = {features or FEATURES}
        [gate]
        metric = "{metric}"
        """
    )


REFERENCE = Reference(bins=(), summaries=(), loss=0.1, loss_low=0.05, loss_high=0.15)

Make = Callable[..., tuple[Path, BundleManifest]]


@pytest.fixture(scope="session")
def frame() -> pl.DataFrame:
    return rows()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Builds a bundle of a fitted estimator."""

    def build(
        estimator: Any, spec: Spec, frame: pl.DataFrame, *, run: str = "run-1", name: str = "bundle"
    ) -> tuple[Path, BundleManifest]:
        file = tmp_path / f"{name}.pkl"
        file.write_bytes(cloudpickle.dumps(estimator))
        manifest = build_bundle(
            tmp_path / name, estimator_pickle=file, train=frame.head(450), test=frame.tail(150),
            spec=spec, reference=REFERENCE, run=run, dataset="sha256:d", lock="numpy==2\n",
            now=NOW, key=KEY,
        )  # fmt: skip
        return tmp_path / name, manifest

    return build


@pytest.fixture
def toy() -> Any:
    """The helpers above, for tests: a conftest cannot be imported."""
    import types

    return types.SimpleNamespace(
        KEY=KEY, NOW=NOW, NUMBERS=NUMBERS, FEATURES=FEATURES, REFERENCE=REFERENCE, rows=rows,
        spec_of=spec_of,
    )  # fmt: skip
