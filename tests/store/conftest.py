"""Every test of the store runs on SQLite, and on PostgreSQL when there is one."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from holdfast.store.database import Database
from holdfast.store.models import ModelEntry
from holdfast.store.store import Store

START = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def at() -> Callable[[float], datetime]:
    """The time some seconds after the start."""
    return lambda seconds: START + timedelta(seconds=seconds)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "holdfast.db"
    database = Database(f"sqlite:///{file}")
    database.migrate()
    database.close()
    return file


@pytest.fixture(scope="session")
def postgres() -> Iterator[Engine]:
    """The real server."""
    url = os.environ.get("HOLDFAST_TEST_POSTGRES")
    if url is None:
        pytest.skip("HOLDFAST_TEST_POSTGRES is not set")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


def _copy(request: pytest.FixtureRequest, migrated: bool) -> Iterator[str]:
    if request.param == "sqlite":
        file = request.getfixturevalue("tmp_path") / "holdfast.db"
        if migrated:
            shutil.copy(request.getfixturevalue("sqlite_template"), file)
        yield f"sqlite:///{file}"
        return
    server: Engine = request.getfixturevalue("postgres")
    schema = f"holdfast_{uuid.uuid4().hex}"
    own = server.url.update_query_dict({"options": f"-csearch_path={schema}"})
    url = own.render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        if migrated:
            database = Database(url)
            database.migrate()
            database.close()
        yield url
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database of its own."""
    yield from _copy(request, migrated=True)


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of its own without any table."""
    yield from _copy(request, migrated=False)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store that knows the models 'churn' and 'fraud'."""
    store = Store(Database(url))
    with store.begin() as tx:
        for name in ("churn", "fraud"):
            store.models.save(tx, ModelEntry(name=name, root="/p", text="", added_at=START))
    yield store
    store.close()
