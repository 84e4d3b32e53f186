"""One database: SQLite by default, PostgreSQL by URL; connections, transactions, migrations.

Writers are serialised on both engines: SQLite by ``BEGIN IMMEDIATE``, PostgreSQL by an advisory
lock for the transaction. Decisions are few a second, and with one writer at a time "look, then
write" needs no further thought: what a transaction has read is still true when it writes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Select,
    column,
    create_engine,
    event,
    make_url,
    select,
    table,
    text,
)
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from holdfast.errors import ConflictError, HoldfastError, UnavailableError, UsageError

BUSY_SECONDS = 30
HEAD = "0003"  # the newest migration
VERSION_TABLE = "holdfast_schema"
_VERSION: Select[str] = select(column("version_num")).select_from(table(VERSION_TABLE))
_WRITES = "holdfast_writes"
# A writer that was cut off or stopped in the middle of a transaction would hold the lock as long
# as its connection lives; nobody could take over from it.
IDLE_SECONDS = 3
_ONE_WRITER = text(
    f"SELECT set_config('idle_in_transaction_session_timeout', '{IDLE_SECONDS}s', true),"
    " pg_advisory_xact_lock(hashtextextended(:name || current_schema(), 0))"
)


class Database:
    """Connections to the metadata database.

    SQLite runs in WAL mode with ``synchronous=FULL``: once a decision or a route is committed it
    survives the loss of power, at one fsync a commit. (NORMAL would survive only the death of the
    process, and servers may already have acted on a route that the disk then forgets.)

    Args:
        url: ``sqlite:///path/holdfast.db`` or ``postgresql+psycopg://…``.
        durable: False for rehearsals whose database is thrown away; commits are then not synced.

    Raises:
        UsageError: when the URL is malformed, or names an engine that is not supported.
    """

    def __init__(self, url: str, *, durable: bool = True) -> None:
        self._url = _checked(url)
        self.url = self._url.render_as_string(hide_password=True)
        self._durable = durable
        self.engine = self._sqlite() if self.is_sqlite else self._postgres()

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self._url.get_backend_name() == "sqlite"

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A write transaction: all of it is stored, or nothing. One writer at a time.

        Raises:
            UnavailableError: when the database cannot be reached, or stayed busy.
            ConflictError: when a constraint of the schema is broken.
        """
        with self._boundary(), self.engine.connect() as connection:
            tx = connection.execution_options(**{_WRITES: True})
            with tx.begin():
                if not self.is_sqlite:
                    tx.execute(_ONE_WRITER, {"name": "holdfast:"})
                yield tx

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only transaction that sees one moment throughout, and waits for no writer.

        Raises:
            UnavailableError: when the database cannot be reached.
        """
        with self._boundary(), self.engine.connect() as connection:
            tx = connection
            if not self.is_sqlite:
                tx = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with tx.begin():
                yield tx

    def migrate(self) -> None:
        """Brings the schema to this version of Holdfast; several processes may call it at once.

        Raises:
            ConflictError: when the database was made by a newer Holdfast.
            UnavailableError: when it cannot be reached.
        """
        if self._is_current():
            return
        from holdfast.store.migrations import upgrade  # alembic takes a quarter of a second

        if self.is_sqlite:
            self._prepare_file()
        with self.begin() as tx:
            upgrade(tx)

    def _is_current(self) -> bool:
        """Whether nothing is to be done, as almost always."""
        if self.is_sqlite and not Path(self._url.database or "").exists():
            return False
        with self._boundary(), self.engine.connect() as connection:
            try:
                return bool(connection.scalar(_VERSION) == HEAD)
            except (OperationalError, ProgrammingError):  # there is no such table yet
                return False

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()

    def _sqlite(self) -> Engine:
        engine = create_engine(self._url, connect_args={"timeout": BUSY_SECONDS})

        @event.listens_for(engine, "connect")
        def on_connect(dbapi: object, _: ConnectionPoolEntry) -> None:
            # Python's own implicit BEGIN is deferred and not before DDL; ours below is neither.
            dbapi.isolation_level = None  # type: ignore[attr-defined]
            for pragma in (
                "foreign_keys = ON",
                f"synchronous = {'FULL' if self._durable else 'OFF'}",
            ):
                dbapi.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]

        @event.listens_for(engine, "begin")
        def on_begin(connection: Connection) -> None:
            writes = connection.get_execution_options().get(_WRITES, False)
            connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    def _postgres(self) -> Engine:
        try:
            engine = create_engine(self._url, pool_pre_ping=True)
        except ImportError:
            raise UsageError(
                "store.driver_missing",
                "PostgreSQL needs the driver psycopg",
                "Run: pip install 'holdfast[postgres]'.",
            ) from None

        @event.listens_for(engine, "connect")
        def on_connect(dbapi: object, _: ConnectionPoolEntry) -> None:
            dbapi.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")  # type: ignore[attr-defined]
            if not self._durable:
                dbapi.execute("SET synchronous_commit = off")  # type: ignore[attr-defined]
            dbapi.commit()  # type: ignore[attr-defined]

        return engine

    def _prepare_file(self) -> None:
        file = Path(self._url.database or "")
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Only when it is missing: closing any descriptor of a database drops all locks that
            # this process holds on it, and another process may then delete the WAL in use.
            with contextlib.suppress(FileExistsError):
                os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except OSError as error:
            raise UnavailableError(
                "store.unavailable",
                f"the database file {file} cannot be opened: {error.strerror}",
                "Check the folder, its permissions and HOLDFAST_DATABASE_URL.",
            ) from None
        with self._boundary():
            self._use_wal()

    def _use_wal(self) -> None:
        """Turns on WAL, which stays on in the file.

        While another process turns it on, SQLite answers "locked" at once instead of waiting;
        a write lock does wait, so one is taken before trying again.
        """
        for last in (False, False, False, True):
            try:
                self._on_raw("PRAGMA journal_mode = WAL")
                return
            except DatabaseError as error:
                if last or "locked" not in str(error.orig):
                    raise
                self._on_raw("BEGIN IMMEDIATE", "COMMIT")

    def _on_raw(self, *statements: str) -> None:
        """Runs statements outside of any transaction of SQLAlchemy's."""
        driver = self.engine.dialect.loaded_dbapi
        try:
            connection = self.engine.raw_connection()
            try:
                for statement in statements:
                    connection.cursor().execute(statement)
            finally:
                connection.close()
        except driver.DatabaseError as error:
            raise DatabaseError(None, None, error) from None

    @contextmanager
    def _boundary(self) -> Iterator[None]:
        """Turns the driver's errors into ours, without passwords; others pass."""
        try:
            yield
        except IntegrityError as error:
            raise ConflictError(
                "store.integrity",
                f"the change contradicts what is stored: {self._first_line(error)}",
                "Read the present state and try again.",
            ) from None
        except ProgrammingError:
            raise
        except (OperationalError, InterfaceError, DatabaseError, PoolTimeoutError) as error:
            raise self._unavailable(error) from None

    def _unavailable(self, error: SQLAlchemyError) -> HoldfastError:
        line = self._first_line(error)
        if "locked" in line or "lock timeout" in line:
            return UnavailableError(
                "store.busy",
                f"the database {self.url} stayed busy for {BUSY_SECONDS} seconds",
                "Try again; look for a process that holds a transaction open.",
            )
        return UnavailableError(
            "store.unavailable",
            f"the database {self.url} cannot be used: {line}",
            "Check that it runs, and HOLDFAST_DATABASE_URL.",
        )

    def _first_line(self, error: SQLAlchemyError) -> str:
        cause = getattr(error, "orig", None) or error
        line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        password = self._url.password
        return line.replace(str(password), "***") if password else line


def _checked(url: str) -> URL:
    """Parses the URL; PostgreSQL is always spoken to with psycopg 3."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise UsageError(
            "store.url",
            "the database URL is malformed",
            "Write sqlite:///path/holdfast.db or postgresql+psycopg://user:password@host/name.",
        ) from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise UsageError(
            "store.unsupported",
            f"databases of kind '{parsed.drivername}' are not supported",
            "Use sqlite:/// or postgresql+psycopg://.",
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UsageError(
            "store.memory",
            "SQLite needs a file; in memory each connection would see a database of its own",
            "Write sqlite:///path/holdfast.db.",
        )
    return parsed
