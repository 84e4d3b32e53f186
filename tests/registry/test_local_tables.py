"""What is written without MLflow is what MLflow reads, and the other way round."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import NotFoundError
from holdfast.registry.client import Client
from holdfast.registry.local_tables import LocalTables
from holdfast.registry.mlflow_registry import MlflowRegistry


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home") / "mlflow.db"


@pytest.fixture(scope="module")
def mlflow(file: Path) -> Iterator[Any]:
    """MLflow's own client, with two versions of one model."""
    with Client(f"sqlite:///{file}").calls() as client:
        client.create_registered_model("m")
        for _ in range(2):
            client.create_model_version("m", str(file.parent))
        yield client


@pytest.fixture
def tables(file: Path, mlflow: Any) -> LocalTables:
    assert mlflow
    return LocalTables(file)


def test_the_tables_of_the_locked_mlflow_are_known(tables: LocalTables) -> None:
    assert tables.usable


def test_mlflow_reads_what_we_write(tables: LocalTables, mlflow: Any) -> None:
    tables.set_alias("m", "champion", 1)
    tables.set_alias("m", "champion", 2)
    tables.set_tag("m", 2, "validation_status", "failed")
    tables.set_tag("m", 2, "validation_status", "passed")

    assert int(mlflow.get_model_version_by_alias("m", "champion").version) == 2
    assert mlflow.get_model_version("m", "2").tags["validation_status"] == "passed"


def test_we_read_what_mlflow_writes(tables: LocalTables, mlflow: Any) -> None:
    mlflow.set_registered_model_alias("m", "challenger", "1")
    assert tables.aliases("m")["challenger"] == 1
    assert tables.all_aliases()["m"] == tables.aliases("m")

    mlflow.delete_registered_model_alias("m", "challenger")
    assert "challenger" not in tables.aliases("m")


def test_an_alias_is_taken_away_once(tables: LocalTables, mlflow: Any) -> None:
    tables.set_alias("m", "old", 1)
    tables.delete_alias("m", "old")
    tables.delete_alias("m", "old")

    assert "old" not in mlflow.get_registered_model("m").aliases


def test_an_unknown_model_has_no_aliases(tables: LocalTables) -> None:
    assert tables.aliases("nobody") == {}


def test_a_version_that_is_not_there(tables: LocalTables) -> None:
    with pytest.raises(NotFoundError, match="no version 9"):
        tables.set_alias("m", "champion", 9)
    with pytest.raises(NotFoundError, match="no version 9"):
        tables.set_tag("m", 9, "name", "value")


def test_a_deleted_version_gets_no_alias(tables: LocalTables, mlflow: Any, file: Path) -> None:
    made = mlflow.create_model_version("m", str(file.parent))
    mlflow.delete_model_version("m", made.version)

    with pytest.raises(NotFoundError):
        tables.set_alias("m", "champion", int(made.version))


def test_tables_of_another_shape_are_left_to_mlflow(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    assert not LocalTables(file).usable

    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE registered_model_aliases (name, alias, version)")

    assert not LocalTables(file).usable


def test_another_workspace_is_left_to_mlflow(
    tables: LocalTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team")
    assert not tables.usable


def test_the_registry_goes_through_mlflow_where_the_tables_are_unknown(
    tables: LocalTables, mlflow: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tables
    monkeypatch.setattr(LocalTables, "usable", False)
    registry = MlflowRegistry(f"sqlite:///{file}", file.parent)

    registry.set_alias("m", "slow", 1)
    registry.set_tag("m", 1, "way", "mlflow")

    assert registry.aliases("m")["slow"] == 1
    assert registry.all_aliases()["m"]["slow"] == 1, "through MLflow, in one call"
    assert mlflow.get_model_version("m", "1").tags["way"] == "mlflow"
    registry.delete_alias("m", "slow")
    assert "slow" not in registry.aliases("m")


def test_aliases_and_tags_need_no_mlflow(tables: LocalTables, file: Path) -> None:
    assert tables.usable
    code = (
        "import sys; from holdfast.registry.mlflow_registry import MlflowRegistry\n"
        f"registry = MlflowRegistry('sqlite:///{file}', 'artifacts')\n"
        "registry.set_alias('m', 'light', 1); registry.set_tag('m', 1, 'a', 'b')\n"
        "assert registry.aliases('m')['light'] == 1\n"
        "registry.delete_alias('m', 'light')\n"
        "sys.exit('mlflow' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
