"""Will this customer cancel at tomorrow's renewal?

Holdfast calls the two functions that holdfast.toml names: ``load`` for the rows and ``train`` for
the model. The rows are made up, so that the project runs at once: replace ``load`` by a function
that reads your own, or name your files in ``[data] source``, and adapt ``train``.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

DAYS = 60
ROWS_A_DAY = 135
SEED = 7

CATEGORIES = ["plan", "channel", "country"]
NUMBERS = [
    "tenure_months",
    "monthly_price",
    "logins_30d",
    "days_since_login",
    "tickets_90d",
    "last_rating",
]


def load() -> pd.DataFrame:
    """Return one row for each renewal of the last sixty days, up to now.

    We ask one day before a renewal is due, so the label is known one day after ``asked_at``.
    A day's rows are the same whenever they are loaded, as in a table that only grows.
    """
    now = datetime.now(UTC)
    days = [now.date() - timedelta(days=back) for back in range(DAYS, -1, -1)]
    rows = pd.concat([_day(day) for day in days], ignore_index=True)
    return rows[rows["asked_at"] <= now].reset_index(drop=True)


def train(frame: pd.DataFrame) -> Pipeline:
    """Fit gradient boosting on the features; it takes missing numbers and unknown texts."""
    columns = ColumnTransformer(
        [
            (
                "categories",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
                CATEGORIES,
            ),
            ("numbers", "passthrough", NUMBERS),
        ]
    )
    boosting = HistGradientBoostingClassifier(
        learning_rate=0.08,
        max_iter=80,
        max_leaf_nodes=8,
        min_samples_leaf=40,
        early_stopping=False,
        random_state=0,
    )
    model = Pipeline([("columns", columns), ("boosting", boosting)])
    return model.fit(frame[CATEGORIES + NUMBERS], frame["cancelled"])


def _day(day: date) -> pd.DataFrame:
    """Make up the renewals that are asked about on one day."""
    random = np.random.default_rng([SEED, day.toordinal()])
    n = ROWS_A_DAY
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    seconds = np.sort(random.integers(0, 86_400, n))
    plan = random.choice(["basic", "standard", "premium"], n, p=[0.5, 0.35, 0.15])
    price = pd.Series(plan).map({"basic": 9.0, "standard": 19.0, "premium": 39.0}).to_numpy()
    logins = random.poisson(random.gamma(2.0, 5.0, n)).astype(float)
    rating = random.choice([1.0, 2.0, 3.0, 4.0, 5.0], n, p=[0.1, 0.1, 0.2, 0.35, 0.25])
    rows = pd.DataFrame(
        {
            "renewal_id": [f"{day:%Y%m%d}-{number:04d}" for number in range(n)],
            "asked_at": [midnight + timedelta(seconds=int(second)) for second in seconds],
            "plan": plan,
            "channel": random.choice(["web", "app", "partner"], n, p=[0.5, 0.4, 0.1]),
            "country": random.choice(["DE", "FR", "GB", "NL", "PL"], n),
            "tenure_months": 1.0 + np.floor(random.exponential(18.0, n)),
            "monthly_price": np.round(price * random.choice([1.0, 0.8], n, p=[0.85, 0.15]), 2),
            "logins_30d": logins,
            "days_since_login": np.minimum(np.floor(random.exponential(30 / (1 + logins))), 90.0),
            "tickets_90d": random.poisson(0.4, n).astype(float),
            # Most customers rate nothing: missing is not zero.
            "last_rating": np.where(random.random(n) < 0.6, np.nan, rating),
        }
    )
    rows["cancelled"] = random.random(n) < _risk(rows)
    return rows


def _risk(rows: pd.DataFrame) -> np.ndarray:
    """Return the true probability of each renewal, which no model knows."""
    rating = rows["last_rating"].fillna(3.5)
    logit = (
        -0.9
        + 0.9 * (rows["plan"] == "basic")
        + 0.6 * (rows["channel"] == "partner")
        - 0.035 * rows["tenure_months"]
        - 0.11 * rows["logins_30d"]
        + 0.05 * rows["days_since_login"]
        + 0.7 * rows["tickets_90d"]
        - 0.6 * (rating - 3.5)
    )
    return np.asarray(1 / (1 + np.exp(-logit)))
