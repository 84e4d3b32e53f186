"""What the tests of the data stage share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from holdfast.errors import NotFoundError, UserCodeError
from holdfast.spec import Data

START = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryBlobs:
    """A blob store in memory."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def put(self, key: str, data: bytes) -> None:
        self.content.setdefault(key, data)

    def get(self, key: str) -> bytes:
        if key not in self.content:
            raise NotFoundError("blob.missing", f"there is no {key}")
        return self.content[key]

    def exists(self, key: str) -> bool:
        return key in self.content

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self.content if key.startswith(prefix))

    def local(self, key: str) -> Path:
        raise NotImplementedError


class Loader:
    """User code whose loader gives a frame made before."""

    def __init__(self, frame: pl.DataFrame | None = None) -> None:
        self.frame = frame

    def load(self, target: str) -> pl.DataFrame:
        if self.frame is None:
            raise UserCodeError("user.raised", f"{target} raised")
        return self.frame

    def train(self, target: str, frame: Path, out: Path) -> None:
        raise NotImplementedError


def spec_data(**changes: object) -> Data:
    values = {
        "source": "rows.csv",
        "time": "at",
        "label": "late",
        "id": "id",
        "features": ("city", "amount"),
        "test": 0.2,
    }
    return Data(**(values | changes))


def make_rows(days: int = 60, per_day: int = 60, seed: int = 0) -> pl.DataFrame:
    """Rows of a made-up shop; the temperature has a season."""
    generator = np.random.default_rng(seed)
    n = days * per_day
    at = [START + timedelta(seconds=i * 86400 / per_day) for i in range(n)]
    season = 55 - 25 * np.cos(2 * np.pi * np.arange(n) / per_day / 365)
    return pl.DataFrame(
        {
            "id": [f"r{i:06d}" for i in range(n)],
            "at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            "late": generator.random(n) < 0.3,
            "city": generator.choice(["ams", "ber", "cph"], n),
            "amount": generator.gamma(4, 10, n),
            "minutes": generator.gamma(9, 20, n),
            "temperature": season + generator.normal(0, 5, n),
            "weekday": pl.Series([moment.weekday() for moment in at], dtype=pl.Int64),
            "rain": np.where(np.arange(n) // (per_day * 3) % 4 == 0, generator.gamma(1, 0.1, n), 0),
        }
    )


@pytest.fixture(scope="session")
def rows() -> pl.DataFrame:
    return make_rows()


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture(scope="session")
def spec_of() -> Callable[..., Data]:
    """Makes the ``[data]`` of the made-up shop, with changes."""
    return spec_data


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., pl.DataFrame]:
    return make_rows


@pytest.fixture(scope="session")
def loader_of() -> type[Loader]:
    return Loader
