"""Alembic's environment: runs migrations on the connection that :func:`upgrade` passes in."""

from __future__ import annotations

from alembic import context

from holdfast.store.database import VERSION_TABLE
from holdfast.store.tables import metadata


def run() -> None:
    """Runs the migrations in the caller's transaction, DDL included, on both engines."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


# Alembic runs this file under a name of its own; an import for documentation does nothing.
if __name__ == "env_py":
    run()
