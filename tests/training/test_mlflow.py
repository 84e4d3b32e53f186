"""User code that uses MLflow logs into the run Holdfast made for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from mlflow.tracking import MlflowClient

from holdfast.errors import UserCodeError
from holdfast.training.protocol import read_result
from holdfast.training.user_code import LocalUserCode

# MLflow's own tables use what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class Tracked:
    """An MLflow store, and user code that is told of a run in it."""

    def __init__(self, folder: Path, make: Callable[..., LocalUserCode]) -> None:
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.client = MlflowClient(self.uri)
        self.experiment = self.client.create_experiment("shop", str(folder / "artifacts"))
        self.make = make
        self.another_run()

    def another_run(self) -> str:
        self.run = self.client.create_run(self.experiment).info.run_id
        environment = {
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_RUN_ID": self.run,
            "MLFLOW_EXPERIMENT_ID": self.experiment,
        }
        self.code = self.make(features=("amount",), env=environment)
        return self.run


@pytest.fixture
def tracked(tmp_path: Path, user_code: Callable[..., LocalUserCode]) -> Tracked:
    return Tracked(tmp_path, user_code)


@pytest.fixture
def frame(tmp_path: Path, rows: pl.DataFrame) -> Path:
    rows.write_parquet(tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


def test_autolog_writes_into_our_run_and_registers_nothing(
    tracked: Tracked, frame: Path, tmp_path: Path
) -> None:
    tracked.code.train("tracked:autologged", frame, tmp_path / "out")

    run = tracked.client.get_run(tracked.run)
    assert run.data.params["C"] == "0.5"
    assert "training_score" in run.data.metrics
    assert run.info.status == "FINISHED"
    assert read_result(tmp_path / "out").mlflow_run == tracked.run
    assert len(tracked.client.search_runs([tracked.experiment, "0"])) == 1
    assert tracked.client.search_registered_models() == []

    # What they do with the run is not the last word on it.
    another = tracked.another_run()
    with pytest.raises(UserCodeError, match="no such luck"):
        tracked.code.train("tracked:failing", frame, tmp_path / "out")
    run = tracked.client.get_run(another)
    assert (run.info.status, run.data.params["mine"]) == ("FAILED", "1")
    tracked.client.set_terminated(another, "KILLED")
    assert tracked.client.get_run(another).info.status == "KILLED"
