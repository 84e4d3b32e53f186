"""What any version of the model must do, whatever its score: the gate runs these.

``model`` comes from Holdfast: ``model.predict(rows)`` answers with the columns ``prediction`` and
``probability`` (of a late arrival), one line for each row.
"""

from __future__ import annotations

from typing import Any, Protocol

import pandas as pd
import pytest

from holdfast.testing import check_direction, check_invariance, check_minimum

Row = dict[str, Any]


class Model(Protocol):
    """What the ``model`` fixture offers."""

    def predict(self, rows: list[Row]) -> pd.DataFrame:
        """Return a prediction and a probability for each row."""
        ...


# An ordinary flight on an ordinary afternoon.
CHICAGO: Row = {
    "carrier": "UA",
    "origin": "EWR",
    "dest": "ORD",
    "distance": 719.0,
    "scheduled_minutes": 150.0,
    "departure_minute": 15 * 60,
    "weekday": 3,
    "temperature": 45.0,
    "wind_speed": 9.0,
    "precipitation": 0.0,
    "visibility": 10.0,
    "airport_delay": 5.0,
    "airport_departures": 36.0,
}
MIAMI = CHICAGO | {"carrier": "AA", "origin": "JFK", "dest": "MIA", "distance": 1089.0}
CHARLOTTE = CHICAGO | {"carrier": "US", "origin": "LGA", "dest": "CLT", "distance": 544.0}
FLIGHTS = [
    flight | {"departure_minute": hour * 60}
    for flight in (
        CHICAGO,
        MIAMI | {"scheduled_minutes": 190.0},
        CHARLOTTE | {"scheduled_minutes": 115.0},
    )
    for hour in (9, 12, 15, 18)
]
WEATHER = ["temperature", "wind_speed", "precipitation", "visibility"]


def _with(**changes: object) -> list[Row]:
    """Return the ordinary flights with some features changed."""
    return [flight | changes for flight in FLIGHTS]


def test_an_ordinary_day_is_more_likely_on_time(model: Model) -> None:
    """On a calm day most flights are expected on time."""
    assert model.predict(FLIGHTS)["probability"].mean() < 0.4


def test_probabilities_are_probabilities(model: Model) -> None:
    """Values far outside the training data still give a probability."""
    rows = FLIGHTS + _with(airport_delay=600.0) + _with(temperature=120.0, wind_speed=90.0)
    assert model.predict(rows)["probability"].between(0, 1).all()


def test_a_delayed_airport_makes_lateness_more_likely(model: Model) -> None:
    """Direction: an hour of delay at the airport raises every probability, and not by a little."""
    check_direction(model, _with(airport_delay=0.0), {"airport_delay": 60.0}, "up", by=0.1)


def test_a_storm_makes_lateness_more_likely(model: Model) -> None:
    """Direction: heavy rain, wind and fog together must not look better than a clear day."""
    storm = {"precipitation": 0.3, "wind_speed": 30.0, "visibility": 1.0}
    check_direction(model, FLIGHTS, storm, "up")


@pytest.mark.parametrize("feature", ["carrier", "dest"])
def test_a_name_never_seen_changes_little(model: Model, feature: str) -> None:
    """Invariance: a new carrier or destination is answered, and near what a known one gets."""
    check_invariance(model, FLIGHTS, {feature: "??"}, within=0.4)


def test_what_anybody_would_know(model: Model) -> None:
    """Minimum functionality: on a calm morning without any delay, flights are on time."""
    calm = {"departure_minute": 9 * 60, "airport_delay": 0.0}
    check_minimum(model, [(flight | calm, False) for flight in (CHICAGO, MIAMI, CHARLOTTE)])


@pytest.mark.parametrize("missing", [WEATHER, ["airport_delay"]], ids=["weather", "airport"])
def test_missing_values_still_get_an_answer(model: Model, missing: list[str]) -> None:
    """No observation, or no departure yet today, is no reason to fail."""
    answers = model.predict(_with(**dict.fromkeys(missing)))
    assert answers["probability"].between(0, 1).all()
