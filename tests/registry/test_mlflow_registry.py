"""The registry on a real MLflow store: versions, aliases, lineage, and doing it again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from holdfast.bundle.manifest import bundle_digest, read_manifest
from holdfast.errors import BundleError, ConflictError, NotFoundError, UnavailableError
from holdfast.records import CodeVersion, Metric, Run, Version
from holdfast.registry.build import build_bundle
from holdfast.registry.client import import_mlflow
from holdfast.registry.mlflow_registry import MlflowRegistry

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
NAMES = ["amount", "age", "count"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def registry(home: Path) -> MlflowRegistry:
    return MlflowRegistry(f"sqlite:///{home}/mlflow.db", home / "artifacts")


class Stub:
    """A model only a pickle can hold."""

    classes_ = np.array([False, True])

    def predict_proba(self, rows: Any) -> Any:
        high = (rows["count"].to_numpy() / 10).clip(0, 1)
        return np.stack([1 - high, high], axis=1)


Bundle = Callable[..., Path]


@pytest.fixture
def bundle(tmp_path: Path, toy: Any, frame: pl.DataFrame) -> Bundle:
    """Makes the bundle of a logistic regression for a model of that name."""

    def make(model: str, run: str, estimator: Any = None) -> Path:
        clean = frame.with_columns(pl.col("amount").fill_null(0.0))
        train = clean.head(450)
        estimator = estimator or LogisticRegression().fit(
            train.select(NAMES).to_pandas(), train["late"].to_numpy()
        )
        (tmp_path / "estimator.pkl").write_bytes(cloudpickle.dumps(estimator))
        spec = toy.spec_of(features=NAMES)
        spec = type(spec)(
            model=type(spec.model)(name=model, task="binary", train="toy:train"),
            data=spec.data,
            gate=spec.gate,
        )
        folder = tmp_path / f"bundle-{run}"
        build_bundle(
            folder, estimator_pickle=tmp_path / "estimator.pkl", train=train,
            test=clean.tail(150), spec=spec, reference=toy.REFERENCE, run=run,
            dataset="sha256:data", lock="numpy\n", now=toy.NOW, key=toy.KEY,
        )  # fmt: skip
        return folder

    return make


def run_of(id: str, model: str) -> Run:  # noqa: A002
    return Run(
        id=id, model=model, dataset="sha256:data", lock="sha256:lock", started_at=START,
        code=CodeVersion(digest="sha256:code", commit="abc123"), finished_at=END,
        metrics=(Metric(name="roc_auc", value=0.9, low=0.85, high=0.93, n=150),),
        train_rows=450, test_rows=150,
    )  # fmt: skip


def publish(
    registry: MlflowRegistry, bundle: Bundle, model: str, job: str, parent: int | None = None,
    estimator: Any = None,
) -> Version:  # fmt: skip
    run = registry.start_run(model, job)
    folder = bundle(model, run, estimator)
    record = run_of(run, model)
    registry.finish_run(run, at=END, metrics=record.metrics, params={"rows": "450"})
    return registry.register(
        read_manifest(folder), folder, run=record, job=job, data_start=START, data_end=END,
        parent=parent,
    )  # fmt: skip


def test_reading_an_empty_registry_makes_no_store(tmp_path: Path) -> None:
    registry = MlflowRegistry(f"sqlite:///{tmp_path}/new/mlflow.db", tmp_path / "artifacts")
    assert registry.versions("toy") == ()
    assert registry.aliases("toy") == {}
    with pytest.raises(NotFoundError, match="no version 1 of 'toy'"):
        registry.version("toy", 1)
    assert not (tmp_path / "new").exists()


def test_a_version_comes_back_whole(registry: MlflowRegistry, bundle: Bundle) -> None:
    made = publish(registry, bundle, "whole", "job-1")
    assert (made.number, made.parent, made.job) == (1, None, "job-1")
    assert registry.version("whole", 1) == made
    assert registry.versions("whole") == (made,)
    assert made.metrics[0].value == 0.9
    assert made.code.commit == "abc123"
    assert made.bundle == bundle_digest(made.bundle_path)
    assert (made.data_start, made.data_end) == (START, END)
    assert made.predictor == "onnx"


def test_people_see_metrics_and_lineage_in_mlflow(
    registry: MlflowRegistry, bundle: Bundle, home: Path
) -> None:
    made = publish(registry, bundle, "seen", "job-1", parent=7)
    client = import_mlflow().MlflowClient(f"sqlite:///{home}/mlflow.db")
    run = client.get_run(made.run)
    assert run.data.metrics == {"roc_auc": 0.9, "roc_auc.low": 0.85, "roc_auc.high": 0.93}
    assert run.info.status == "FINISHED"
    tags = client.get_model_version("seen", "1").tags
    assert tags["holdfast.dataset"] == "sha256:data"
    assert tags["holdfast.code"] == "abc123"
    assert tags["holdfast.parent"] == "7"
    assert tags["holdfast.bundle"] == made.bundle
    assert tags["validation_status"] == "pending"
    registry.set_tag("seen", 1, "validation_status", "pass")
    assert client.get_model_version("seen", "1").tags["validation_status"] == "pass"
    registry.log_artifact_text(made.run, "all good", "verdict.md")
    assert (home / "artifacts/seen" / made.run / "artifacts/verdict.md").read_text() == "all good"


def test_a_job_makes_one_run_and_one_version(registry: MlflowRegistry, bundle: Bundle) -> None:
    first = publish(registry, bundle, "once", "job-1")
    assert publish(registry, bundle, "once", "job-1") == first
    assert publish(registry, bundle, "once", "job-2").number == 2
    assert [version.job for version in registry.versions("once")] == ["job-1", "job-2"]


@pytest.mark.parametrize("where", ["log_artifacts", "create_registered_model", "after"])
def test_killed_anywhere_a_job_still_makes_one_version(
    where: str, registry: MlflowRegistry, bundle: Bundle, home: Path, tmp_path: Path
) -> None:
    """A child registers and is killed with -9 right after one step; we then register again."""
    model = f"killed-{where.replace('_', '-')}"
    run = registry.start_run(model, "job-1")
    folder = bundle(model, run)
    script = textwrap.dedent(
        f"""
        import os, signal, msgspec
        from pathlib import Path
        from holdfast.bundle.manifest import read_manifest
        from holdfast.records import Run
        from holdfast.registry.client import import_mlflow
        from holdfast.registry.mlflow_registry import MlflowRegistry
        from datetime import datetime, UTC
        client = import_mlflow().MlflowClient
        def dies(step):
            def wrapped(*args, **more):
                step(*args, **more)
                os.kill(os.getpid(), signal.SIGKILL)
            return wrapped
        if "{where}" != "after":
            client.{where if where != "after" else "log_batch"} = dies(
                client.{where if where != "after" else "log_batch"})
        else:
            client.create_model_version = dies(client.create_model_version)
        folder = Path({str(folder)!r})
        registry = MlflowRegistry("sqlite:///{home}/mlflow.db", Path({str(home)!r}) / "artifacts")
        registry.register(
            read_manifest(folder), folder, job="job-1",
            run=Run.from_json({run_of(run, model).to_json()!r}),
            data_start=datetime(2024, 1, 1, tzinfo=UTC), data_end=datetime(2024, 4, 1, tzinfo=UTC),
        )
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    version = publish(registry, bundle, model, "job-1")
    assert version.number == 1
    assert registry.versions(model) == (version,)
    assert version.run == run
    assert registry.fetch(version, tmp_path / "cache") == Path(version.bundle_path)


def test_aliases_move(registry: MlflowRegistry, bundle: Bundle) -> None:
    publish(registry, bundle, "moves", "job-1")
    publish(registry, bundle, "moves", "job-2", parent=1)
    registry.set_alias("moves", "champion", 1)
    registry.set_alias("moves", "challenger", 2)
    assert registry.aliases("moves") == {"champion": 1, "challenger": 2}
    registry.set_alias("moves", "champion", 2)
    registry.delete_alias("moves", "challenger")
    registry.delete_alias("moves", "challenger")
    assert registry.aliases("moves") == {"champion": 2}
    with pytest.raises(NotFoundError):
        registry.set_alias("moves", "champion", 9)
    assert registry.aliases("nobody") == {}
    assert registry.versions("nobody") == ()


def test_lineage_walks_back_to_the_first(registry: MlflowRegistry, bundle: Bundle) -> None:
    for job, parent in (("job-1", None), ("job-2", 1), ("job-3", 1), ("job-4", 3)):
        publish(registry, bundle, "tree", job, parent)
    assert [version.number for version in registry.lineage("tree", 4)] == [4, 3, 1]
    with pytest.raises(NotFoundError):
        registry.lineage("tree", 5)


def test_versions_of_other_tools_are_left_alone(
    registry: MlflowRegistry, bundle: Bundle, home: Path
) -> None:
    made = publish(registry, bundle, "shared", "job-1")
    client = import_mlflow().MlflowClient(f"sqlite:///{home}/mlflow.db")
    client.create_model_version("shared", str(home), made.run)
    assert registry.versions("shared") == (made,)
    with pytest.raises(NotFoundError):
        registry.version("shared", 2)


def test_a_tampered_bundle_is_not_handed_out(
    registry: MlflowRegistry, bundle: Bundle, tmp_path: Path
) -> None:
    made = publish(registry, bundle, "tampered", "job-1")
    (Path(made.bundle_path) / "model.onnx").write_bytes(b"evil")
    with pytest.raises(BundleError, match="changed model"):
        registry.fetch(made, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_name_with_a_quote_cannot_break_the_filter(registry: MlflowRegistry) -> None:
    with pytest.raises(ConflictError):
        registry.versions("x' or name != '")


def test_a_dead_server_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = MlflowRegistry("http://me:secret@127.0.0.1:9", tmp_path)
    with pytest.raises(UnavailableError) as caught:
        registry.versions("toy")
    assert "secret" not in str(caught.value)


@pytest.fixture
def quiet() -> Iterator[None]:
    """MLflow's own loader warns of its own affairs."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_mlflow_itself_loads_the_champion(
    registry: MlflowRegistry, bundle: Bundle, home: Path, frame: pl.DataFrame, quiet: None
) -> None:
    publish(registry, bundle, "loads", "job-1")
    registry.set_alias("loads", "champion", 1)
    mlflow = import_mlflow()
    mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model("models:/loads@champion")
    rows = frame.select(NAMES).with_columns(pl.col("amount").fill_null(0.0)).to_pandas().tail(20)
    answer = model.predict(rows)
    assert list(answer.columns) == ["prediction", "probability"]
    assert answer.index.equals(rows.index)
    assert (answer["prediction"] == (answer["probability"] >= 0.5)).all()
    assert model.metadata.get_input_schema().input_names() == NAMES
    example = (
        model.metadata.load_input_example(Path(model.metadata.get_model_info().model_uri))
        if False
        else None
    )
    assert example is None


def test_mlflow_loads_a_pickle_only_with_the_key(
    registry: MlflowRegistry, bundle: Bundle, home: Path, toy: Any, quiet: None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    publish(registry, bundle, "pickled", "job-1", estimator=Stub())
    mlflow = import_mlflow()
    mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
    import mlflow.pyfunc

    monkeypatch.delenv("HOLDFAST_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="pickle"):
        mlflow.pyfunc.load_model("models:/pickled/1")
    (tmp_path / "the.key").write_bytes(toy.KEY)
    monkeypatch.setenv("HOLDFAST_KEY_FILE", str(tmp_path / "the.key"))
    model = mlflow.pyfunc.load_model("models:/pickled/1")
    rows = pd.DataFrame({"amount": [0.0], "age": [30.0], "count": [8]})
    assert model.predict(rows)["probability"].tolist() == [0.8]


def test_the_example_in_the_registry_is_one_the_model_takes(
    registry: MlflowRegistry, bundle: Bundle
) -> None:
    import json

    made = publish(registry, bundle, "example", "job-1")
    folder = Path(made.bundle_path).parent
    example = json.loads((folder / "serving_input_example.json").read_text())
    assert example["dataframe_split"]["columns"] == NAMES
    assert len(example["dataframe_split"]["data"]) == 5
    assert "numpy" in (folder / "requirements.txt").read_text()


@pytest.mark.heavy
def test_the_same_against_a_real_server(
    bundle: Bundle, tmp_path: Path, free_port: int, server_python: str, quiet: None
) -> None:
    uri = f"http://127.0.0.1:{free_port}"
    command = [
        server_python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(free_port),
        "--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--workers", "1",
        "--artifacts-destination", str(tmp_path / "kept"),
    ]  # fmt: skip
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, start_new_session=True, env=environment
        )
        try:
            _wait_until_up(uri, server)
            registry = MlflowRegistry(uri, tmp_path / "unused")
            made = publish(registry, bundle, "remote", "job-1")
            assert publish(registry, bundle, "remote", "job-1") == made
            assert made.bundle_path == ""
            local = registry.fetch(made, tmp_path / "cache")
            assert bundle_digest(local) == made.bundle
            assert registry.fetch(made, tmp_path / "cache") == local
            registry.set_alias("remote", "champion", 1)
            assert registry.aliases("remote") == {"champion": 1}
            assert registry.versions("remote") == (made,)
            mlflow = import_mlflow()
            mlflow.set_tracking_uri(uri)
            import mlflow.pyfunc

            model = mlflow.pyfunc.load_model("models:/remote@champion")
            rows = pd.DataFrame({"amount": [0.0], "age": [30.0], "count": [8]})
            assert len(model.predict(rows)) == 1
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@pytest.fixture
def server_python() -> str:
    found = os.environ.get("HOLDFAST_TEST_MLFLOW_PYTHON")
    if found is None:
        pytest.skip("HOLDFAST_TEST_MLFLOW_PYTHON names no interpreter with the full mlflow")
    return found


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(uri: str, server: subprocess.Popen[bytes]) -> None:
    import time

    import httpx

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        try:
            if httpx.get(f"{uri}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail("the server did not come up")
