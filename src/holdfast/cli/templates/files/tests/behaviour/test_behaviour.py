"""What any version must do, whatever its score: the gate runs these tests.

``model`` comes from Holdfast: ``model.predict(rows)`` answers with the columns ``prediction`` and
``probability`` (of ``positive`` in holdfast.toml), one line for each row.
"""

from __future__ import annotations

from typing import Any, Protocol

import pandas as pd
import pytest

Row = dict[str, Any]


class Model(Protocol):
    """What the ``model`` fixture offers."""

    def predict(self, rows: list[Row]) -> pd.DataFrame:
        """Return a prediction and a probability for each row."""
        ...


CUSTOMER: Row = {
    "plan": "standard",
    "channel": "web",
    "country": "DE",
    "tenure_months": 12.0,
    "monthly_price": 19.0,
    "logins_30d": 10.0,
    "days_since_login": 2.0,
    "tickets_90d": 0.0,
    "last_rating": 4.0,
}


def _with(**changes: object) -> list[Row]:
    """Return the customer on each plan, with some features changed."""
    prices = {"basic": 9.0, "standard": 19.0, "premium": 39.0}
    return [
        CUSTOMER | {"plan": plan, "monthly_price": price} | changes
        for plan, price in prices.items()
    ]


def test_probabilities_are_probabilities(model: Model) -> None:
    """Values far outside of the training data still give a probability."""
    rows = _with() + _with(logins_30d=10_000.0) + _with(tickets_90d=500.0)
    assert model.predict(rows)["probability"].between(0, 1).all()


def test_trouble_makes_leaving_more_likely(model: Model) -> None:
    """Tickets, a bad rating and a forgotten login together must raise the risk, and clearly."""
    calm = model.predict(_with())["probability"]
    trouble = _with(tickets_90d=4.0, last_rating=1.0, logins_30d=0.0, days_since_login=60.0)
    assert (model.predict(trouble)["probability"] > calm + 0.1).all()


@pytest.mark.parametrize("feature", ["channel", "country"])
def test_a_text_never_seen_is_answered(model: Model, feature: str) -> None:
    """A new channel or country changes little."""
    known = model.predict(_with())["probability"]
    unknown = model.predict(_with(**{feature: "??"}))["probability"]
    assert (unknown - known).abs().mean() < 0.2


def test_a_missing_rating_is_answered(model: Model) -> None:
    """Most customers rate nothing; that is no reason to fail."""
    assert model.predict(_with(last_rating=None))["probability"].between(0, 1).all()
