"""Aliases and tags in MLflow's local SQLite file, without importing MLflow.

The control plane looks at the aliases every second. Importing MLflow for that took it 160 MB and
more than a second at start; a query of the file takes neither. Only the three tables of the model
registry named here are touched, and only while they look as they do in the MLflow releases that
this was tested with; otherwise the caller goes through MLflow.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType

from holdfast.errors import NotFoundError

_KNOWN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "registered_model_aliases": frozenset({"name", "alias", "version", "workspace"}),
        "model_version_tags": frozenset({"name", "version", "key", "value", "workspace"}),
    }
)
_WAIT = 30.0  # seconds, for a writer to finish


class LocalTables:
    """The registry's tables in one SQLite file; every call opens and closes it.

    Args:
        file: MLflow's database.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @property
    def usable(self) -> bool:
        """Whether the file is there, its tables are as known, and no other workspace is asked."""
        if os.environ.get("MLFLOW_WORKSPACE", "default") != "default" or not self._file.exists():
            return False
        with self._open() as database:
            return all(
                {row[1] for row in database.execute(f"PRAGMA table_info({table})")} == columns
                for table, columns in _KNOWN.items()
            )

    def aliases(self, model: str) -> dict[str, int]:
        """Version number by alias; empty for an unknown model."""
        with self._open() as database:
            rows = database.execute(
                "SELECT alias, version FROM registered_model_aliases"
                " WHERE workspace = 'default' AND name = ?",
                (model,),
            )
            return {alias: int(number) for alias, number in rows}

    def all_aliases(self) -> dict[str, dict[str, int]]:
        """Version number by alias of every model that has any."""
        found: dict[str, dict[str, int]] = {}
        with self._open() as database:
            rows = database.execute(
                "SELECT name, alias, version FROM registered_model_aliases"
                " WHERE workspace = 'default'"
            )
            for name, alias, number in rows:
                found.setdefault(name, {})[alias] = int(number)
        return found

    def set_alias(self, model: str, alias: str, number: int) -> None:
        """Points an alias to a version.

        Raises:
            NotFoundError: when there is no such version.
        """
        with self._open() as database:
            self._check(database, model, number)
            database.execute(
                "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
                " VALUES ('default', ?, ?, ?)"
                " ON CONFLICT (workspace, name, alias) DO UPDATE SET version = excluded.version",
                (model, alias, number),
            )

    def delete_alias(self, model: str, alias: str) -> None:
        """Takes an alias away; no change when it is not there."""
        with self._open() as database:
            database.execute(
                "DELETE FROM registered_model_aliases"
                " WHERE workspace = 'default' AND name = ? AND alias = ?",
                (model, alias),
            )

    def set_tag(self, model: str, number: int, name: str, value: str) -> None:
        """Sets a tag of a version.

        Raises:
            NotFoundError: when there is no such version.
        """
        with self._open() as database:
            self._check(database, model, number)
            database.execute(
                "INSERT INTO model_version_tags (workspace, name, version, key, value)"
                " VALUES ('default', ?, ?, ?, ?)"
                " ON CONFLICT (workspace, key, name, version) DO UPDATE SET value = excluded.value",
                (model, number, name, value),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        address = f"{self._file.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, timeout=_WAIT, uri=True)) as database, database:
            yield database

    def _check(self, database: sqlite3.Connection, model: str, number: int) -> None:
        found = database.execute(
            "SELECT 1 FROM model_versions WHERE workspace = 'default' AND name = ?"
            " AND version = ? AND current_stage <> 'Deleted_Internal'",
            (model, number),
        ).fetchone()
        if found is None:
            raise NotFoundError(
                "registry.no_version",
                f"there is no version {number} of '{model}'",
                "'holdfast versions' lists what there is.",
            )
