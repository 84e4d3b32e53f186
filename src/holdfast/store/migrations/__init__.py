"""Alembic migrations, in the wheel and run by the program; never by hand."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from holdfast.errors import ConflictError

_one_at_a_time = threading.Lock()  # Alembic keeps its environment in module globals.


def upgrade(tx: Connection) -> None:
    """Applies every migration that is missing, inside the caller's transaction.

    Raises:
        ConflictError: when the database was made by a newer Holdfast.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = tx
    try:
        with _one_at_a_time:
            command.upgrade(config, "head")
    except CommandError:
        raise ConflictError(
            "store.newer",
            "the database was made by a newer version of Holdfast",
            "Upgrade Holdfast, or use another database.",
        ) from None
