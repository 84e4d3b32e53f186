import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import DatabaseError

from holdfast.errors import ConflictError, UnavailableError, UsageError
from holdfast.store import database as module
from holdfast.store.database import HEAD, VERSION_TABLE, Database
from holdfast.store.tables import metadata

INSERT = text("INSERT INTO models (name, record) VALUES (:name, '{}')")
COUNT = text("SELECT count(*) FROM models")


def test_the_migrated_schema_is_the_metadata(url: str) -> None:
    database = Database(url)
    with database.begin() as tx:
        options = {
            "version_table": VERSION_TABLE,
            "compare_type": True,
            "compare_server_default": True,
        }
        context = MigrationContext.configure(tx, opts=options)
        assert compare_metadata(context, metadata) == []
        found = inspect(tx)
        for table in metadata.tables.values():
            assert found.get_pk_constraint(table.name)["name"] == table.primary_key.name
            checks = {check["name"] for check in found.get_check_constraints(table.name)}
            assert checks == ({"ck_event_head_single"} if table.name == "event_head" else set())
    database.close()


def test_the_newest_migration_is_known() -> None:
    folder = Path(module.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == HEAD


def test_a_database_of_this_version_is_not_looked_at_by_alembic(url: str) -> None:
    code = (
        "import sys; from holdfast.store.database import Database\n"
        "Database(sys.argv[1]).migrate()\n"
        "sys.exit('alembic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, url], check=False).returncode == 0


def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    database = Database(empty_url)
    database.migrate()
    with database.begin() as tx:
        tx.execute(INSERT, {"name": "a"})
    database.migrate()
    with database.read() as tx:
        assert tx.execute(COUNT).scalar() == 1
    database.close()


def test_threads_and_processes_may_migrate_at_once(empty_url: str) -> None:
    code = (
        "import sys; from holdfast.store.database import Database; Database(sys.argv[1]).migrate()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, empty_url]) for _ in range(2)]

    def migrate(_: int) -> None:
        database = Database(empty_url)
        database.migrate()
        database.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, range(8)))
    assert [process.wait(60) for process in processes] == [0, 0]
    database = Database(empty_url)
    with database.read() as tx:
        assert tx.execute(COUNT).scalar() == 0
    database.close()


def test_a_newer_schema_is_refused(url: str) -> None:
    database = Database(url)
    with database.begin() as tx:
        tx.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = 'from_the_future'"))
    with pytest.raises(ConflictError, match="newer") as caught:
        database.migrate()
    assert caught.value.code == "store.newer"
    database.close()


def test_a_failed_transaction_leaves_nothing(url: str) -> None:
    database = Database(url)

    def write_twice() -> None:
        with database.begin() as tx:
            tx.execute(INSERT, {"name": "a"})
            tx.execute(INSERT, {"name": "a"})

    with pytest.raises(ConflictError):
        write_twice()
    with database.read() as tx:
        assert tx.execute(COUNT).scalar() == 0
    database.close()


def test_a_reader_sees_one_moment_and_waits_for_nobody(url: str) -> None:
    database = Database(url)
    with database.read() as reader:
        assert reader.execute(COUNT).scalar() == 0
        with database.begin() as writer:
            writer.execute(INSERT, {"name": "a"})
        assert reader.execute(COUNT).scalar() == 0
    with database.begin() as writer:
        writer.execute(INSERT, {"name": "b"})
        with database.read() as reader:
            assert reader.execute(COUNT).scalar() == 1
    database.close()


def test_a_reader_cannot_write(url: str) -> None:
    database = Database(url)
    with pytest.raises((UnavailableError, DatabaseError)), database.read() as tx:
        tx.execute(INSERT, {"name": "a"})
    with database.begin() as tx:  # the same pooled connection may write again
        tx.execute(INSERT, {"name": "b"})
    database.close()


def test_one_writer_at_a_time(url: str) -> None:
    database = Database(url)
    with database.begin() as tx:
        tx.execute(INSERT, {"name": "0"})
    barrier = threading.Barrier(4)

    def grow() -> None:
        barrier.wait()
        for _ in range(10):
            with database.begin() as tx:
                count = tx.execute(COUNT).scalar()
                tx.execute(INSERT, {"name": str(count)})  # a lost update would repeat a name

    threads = [threading.Thread(target=grow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as tx:
        assert tx.execute(COUNT).scalar() == 41
    database.close()


def test_a_database_that_stays_busy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 1)
    database, other = Database(url), Database(url)
    with (
        database.begin(),
        pytest.raises(UnavailableError, match="busy") as caught,
        other.begin(),
    ):
        pass
    assert caught.value.code == "store.busy"
    database.close()
    other.close()


def test_a_broken_constraint_is_a_conflict(url: str) -> None:
    database = Database(url)
    insert = text("INSERT INTO looks VALUES ('nobody', 1, 0, 0, '{}')")
    with pytest.raises(ConflictError) as caught, database.begin() as tx:
        tx.execute(insert)
    assert caught.value.code == "store.integrity"
    database.close()


def test_sqlite_is_durable_and_private(tmp_path: Path) -> None:
    file = tmp_path / "new" / "holdfast.db"
    database = Database(f"sqlite:///{file}")
    database.migrate()
    with database.begin() as tx:
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert tx.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    database.close()
    rehearsal = Database(f"sqlite:///{file}", durable=False)
    with rehearsal.read() as tx:
        assert tx.exec_driver_sql("PRAGMA synchronous").scalar() == 0
    rehearsal.close()


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    database = Database(f"sqlite:///{tmp_path}/file/holdfast.db")
    with pytest.raises(UnavailableError):
        database.migrate()
    with pytest.raises(UnavailableError), database.read():
        pass


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "holdfast.db").write_text("not a database, but longer than a header" * 50)
    database = Database(f"sqlite:///{tmp_path}/holdfast.db")
    with pytest.raises(UnavailableError, match="cannot be used"):
        database.migrate()
    database.close()


def test_a_server_that_is_not_there_is_named_without_password() -> None:
    database = Database("postgresql://ann:s3cret@127.0.0.1:1/holdfast")
    for attempt in (database.begin, database.read):
        with pytest.raises(UnavailableError) as caught, attempt():
            pass
        assert "127.0.0.1" in str(caught.value)
        assert "s3cret" not in str(caught.value)
        assert caught.value.__suppress_context__
    assert "s3cret" not in database.url


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nonsense:s3cret", "store.url"),
        ("mysql://ann:s3cret@host/db", "store.unsupported"),
        ("postgresql+psycopg2://ann:s3cret@host/db", "store.unsupported"),
        ("sqlite://", "store.memory"),
        ("sqlite:///:memory:", "store.memory"),
    ],
)
def test_urls_that_cannot_work(url: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        Database(url)
    assert caught.value.code == code
    assert "s3cret" not in str(caught.value)


def test_opening_a_database_twice_leaves_the_locks_of_the_first(tmp_path: Path) -> None:
    """Closing a descriptor of an open SQLite file would drop this process's locks on it."""
    url = f"sqlite:///{tmp_path / 'holdfast.db'}"
    first = Database(url)
    first.migrate()
    with first.begin() as tx:
        tx.execute(text("SELECT 1"))
        file = (tmp_path / "holdfast.db").stat()
        before = _posix_locks(file.st_ino)
        Database(url)._prepare_file()
        assert before
        assert _posix_locks(file.st_ino) >= before
    first.close()


def _posix_locks(inode: int) -> int:
    """Locks that this process holds on a file, as the kernel lists them."""
    lines = Path("/proc/locks").read_text().splitlines()
    mine = [line.split() for line in lines]
    return sum(
        1
        for parts in mine
        if str(os.getpid()) in parts and any(part.endswith(f":{inode}") for part in parts)
    )
