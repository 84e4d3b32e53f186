"""A project of training callables, good and bad."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from holdfast.training.user_code import LocalUserCode

MODELS = '''
"""Training callables that work."""
import pandas as pd
import polars as pl
from helpers import MeanByCity

FEATURES = ["amount", "minutes", "visits", "city", "vip"]

def columns():
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OrdinalEncoder
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_column_transformer((encoder, ["city"]), remainder="passthrough")

def sklearn_classes(frame):
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    model = make_pipeline(columns(), HistGradientBoostingClassifier(max_iter=5, random_state=0))
    return model.fit(frame[FEATURES], frame["label"])

def sklearn_value(frame):
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    model = make_pipeline(columns(), HistGradientBoostingRegressor(max_iter=5, random_state=0))
    return model.fit(frame[FEATURES], frame["label"])

def xgboost_classes(frame):
    from xgboost import XGBClassifier
    return XGBClassifier(n_estimators=3).fit(frame.drop(columns=["label"]), frame["label"])

def xgboost_booster(frame):
    import xgboost
    rows = xgboost.DMatrix(frame.drop(columns=["label"]), frame["label"])
    return xgboost.train({"objective": "binary:logistic"}, rows, num_boost_round=3)

def xgboost_value(frame):
    from xgboost import XGBRegressor
    return XGBRegressor(n_estimators=3).fit(frame.drop(columns=["label"]), frame["label"])

def lightgbm_value(frame):
    from lightgbm import LGBMRegressor
    rows = frame.drop(columns=["label"])
    return LGBMRegressor(n_estimators=3, verbose=-1).fit(rows, frame["label"])

def lightgbm_classes(frame):
    from lightgbm import LGBMClassifier
    rows = frame.drop(columns=["label"])
    return LGBMClassifier(n_estimators=3, verbose=-1).fit(rows, frame["label"])

def tell(frame):
    """Writes what it was given into the log."""
    print("COLUMNS", list(frame.columns), type(frame).__module__.partition(".")[0])
    print("LABELS", sorted({type(v).__name__ for v in frame["label"].to_list()}))
    import ctypes, os
    ctypes.CDLL(None).puts(b"from C")
    ctypes.CDLL(None).fflush(None)
    os.write(2, b"from the other end\\\\n")
    return Certain()

def by_city(frame):
    return MeanByCity().fit(frame)

class Certain:
    """Predicts the first class, and has no probabilities."""
    def predict(self, rows):
        return [0] * len(rows)
'''

TRACKED = '''
"""Training callables that use MLflow themselves."""

def autologged(frame):
    import mlflow
    from sklearn.linear_model import LogisticRegression
    mlflow.autolog(log_models=False)
    return LogisticRegression(C=0.5).fit(frame[["amount"]], frame["label"])

def failing(frame):
    import mlflow
    with mlflow.start_run():
        mlflow.log_param("mine", 1)
        raise ValueError("no such luck")
'''

HELPERS = '''
def share(values):
    return sum(values) / len(values)

class MeanByCity:
    """An estimator of the project itself, with a helper beside it."""

    def fit(self, frame):
        pairs = list(zip(frame["city"].to_list(), frame["label"].to_list()))
        self.means = {city: share([y for c, y in pairs if c == city]) for city, _ in pairs}
        return self

    def predict(self, rows):
        return [self.means.get(city, 0) > 0.5 for city in rows["city"]]

    def predict_proba(self, rows):
        values = [self.means.get(city, 0) for city in rows["city"]]
        return [[1 - value, share([value])] for value in values]
'''

FAULTS = '''
"""Training callables that go wrong, each in its own way."""
import os, signal, subprocess, sys, threading, time

def raises(frame):
    return deeper(frame)

def deeper(frame):
    raise ValueError("no such luck\\\\nsecond line")

def hangs(frame):
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    print("STARTED", child.pid, flush=True)
    time.sleep(1000)

def hoards(frame):
    rows = []
    while True:
        rows.append(b"x" * 10_000_000)
        time.sleep(0.002)

def leaves(frame):
    sys.exit("enough")

def leaves_at_once(frame):
    print("last words", flush=True)
    os._exit(3)

def is_killed(frame):
    os.kill(os.getpid(), signal.SIGKILL)

def crashes(frame):
    import ctypes
    ctypes.string_at(0)

def returns_nothing(frame):
    frame["label"].sum()

class Failing:
    def predict(self, rows):
        raise KeyError("label")

def cannot_predict(frame):
    return Failing()

class Fine:
    def predict(self, rows):
        return [1.0] * len(rows)

def never_ends(frame):
    threading.Thread(target=time.sleep, args=(1000,)).start()
    return Fine()

def leaves_children(frame):
    child = subprocess.Popen(["sleep", "1000"])
    print("STARTED", child.pid, flush=True)
    return Fine()
'''

LOADERS = """
import pandas as pd, polars as pl

def as_pandas():
    gap = float("nan")
    return pd.DataFrame({"a": [1, 2], "s": ["x", None], "b": [True, None], "f": [1.5, gap]})

def fails():
    raise ConnectionError("no warehouse")

def where():
    import os, pathlib
    return pl.DataFrame({"cwd": [os.getcwd()], "file": [pathlib.Path("loaders.py").exists()]})
"""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    files = {
        "models": MODELS,
        "helpers": HELPERS,
        "faults": FAULTS,
        "loaders": LOADERS,
        "tracked": TRACKED,
    }
    for name, text in files.items():
        (root / f"{name}.py").write_text(text.lstrip().replace("\\\\n", "\\n"))
    (root / "needy.py").write_text("import no_such_package\n")
    (root / "broken.py").write_text("def train(frame:\n")
    (root / "script.py").write_text("import sys\nsys.exit(1)\n")
    # A project's file may have the name of a package Holdfast itself needs.
    (root / "holdfast.py").write_text("raise RuntimeError('the wrong holdfast')\n")
    return root


@pytest.fixture(scope="session")
def rows() -> pl.DataFrame:
    generator = np.random.default_rng(0)
    n = 200
    return pl.DataFrame(
        {
            "amount": generator.gamma(4, 10, n),
            "minutes": generator.gamma(9, 20, n),
            "visits": generator.integers(0, 9, n),
            "city": generator.choice(["ams", "ber", "cph"], n),
            "vip": generator.random(n) < 0.2,
            "label": generator.random(n) < 0.4,
        }
    ).with_columns(
        minutes=pl.when(pl.int_range(n) % 7 > 0).then("minutes"),
        city=pl.when(pl.int_range(n) % 11 > 0).then("city"),
    )


@pytest.fixture
def user_code(project: Path, tmp_path: Path) -> Callable[..., LocalUserCode]:
    def make(**changes: object) -> LocalUserCode:
        values = {
            "root": project,
            "log": tmp_path / "log" / "train.log",
            "features": ("amount", "minutes", "visits", "city", "vip"),
            "label": "label",
            "timeout": timedelta(minutes=2),
            "env": {"OMP_NUM_THREADS": "1"},
        }
        return LocalUserCode(**(values | changes))

    return make
