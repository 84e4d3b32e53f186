"""Rows of a query, from any database SQLAlchemy knows."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, quote_plus

import polars as pl
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from holdfast.errors import DataError, UnavailableError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def is_database(source: str) -> bool:
    """Whether a source is a database's URL rather than files or a callable."""
    return "://" in source and not source.startswith(("s3://", "gs://", "az://"))


def public_name(source: str) -> str:
    """What may be shown of a source: a database's URL without password and options.

    >>> public_name("postgresql://ann:secret@db/shop?sslpassword=x")
    'postgresql://ann:***@db/shop'
    >>> public_name("flights/*.parquet")
    'flights/*.parquet'
    """
    if not is_database(source):
        return source
    try:
        return make_url(source).set(query={}).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return source.partition("://")[0] + "://…"


def read_query(source: str, query: str, root: Path) -> pl.DataFrame:
    """Runs a query and returns all its rows.

    Args:
        source: SQLAlchemy URL. ``${NAME}`` in its parts is taken from the environment, so that
            no password need be written in a file. A relative SQLite path starts at ``root``.
        query: one SELECT.
        root: the project's folder.

    Raises:
        DataError: the URL, driver or query is wrong. No error repeats a password.
        UnavailableError: the database cannot be reached.
    """
    url = _url(source, root)
    try:
        engine = create_engine(url)
    except NoSuchModuleError:
        raise DataError(
            "data.no_driver",
            f"there is no driver for '{url.drivername}' databases",
            "Write the URL like postgresql://… or sqlite:///file.db.",
        ) from None
    except ModuleNotFoundError as error:
        raise DataError(
            "data.no_driver",
            f"the driver for '{url.drivername}' is not installed: {error}",
            "pip install 'holdfast[postgres]', or the driver of your database.",
        ) from None
    try:
        with engine.connect() as connection:
            return pl.read_database(text(query), connection, infer_schema_length=None)
    except SQLAlchemyError as error:
        raise _failure(error, url, source) from None
    except pl.exceptions.PolarsError as error:
        raise DataError(
            "data.mixed_types",
            f"the rows of the query do not fit one table: {_without_secrets(str(error), url)}",
            "Cast the column to one type in the query.",
        ) from None
    finally:
        engine.dispose()


def _url(source: str, root: Path) -> URL:
    try:
        url = make_url(source)
    except (ArgumentError, ValueError):
        raise DataError(
            "data.bad_url",
            f"the source '{public_name(source)}' is not a database URL",
            "Write it like postgresql://user:${PASSWORD}@host/database.",
        ) from None
    url = url.set(
        username=_expand(url.username),
        password=_expand(url.password),
        host=_expand(url.host),
        database=_expand(url.database),
    )
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        path = root / str(url.database)
        if not path.is_file():
            # SQLite would make an empty database instead of saying so.
            raise DataError(
                "data.no_files",
                f"there is no SQLite database {path}",
                "sqlite:///name.db is relative to holdfast.toml; sqlite:////path is absolute.",
            )
        url = url.set(database=str(path))
    return url


def _expand(part: object) -> str | None:
    if part is None:
        return None

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise DataError(
                "data.no_variable",
                f"[data] source names the environment variable {match[1]}, which is not set",
                f"Set {match[1]} where Holdfast runs.",
            )
        return found

    return _VARIABLE.sub(value, str(part))


def _failure(error: SQLAlchemyError, url: URL, source: str) -> DataError | UnavailableError:
    cause = getattr(error, "orig", None) or error
    lines = _without_secrets(str(cause), url).strip().splitlines() or [type(cause).__name__]
    name = public_name(source)
    # A connection that never came to be carries no statement.
    if getattr(error, "statement", None) is None and getattr(error, "orig", None) is not None:
        return UnavailableError(
            "data.database_unreachable",
            f"{name} cannot be reached: {lines[0]}",
            "Check that it runs, and the host, user and password in [data] source.",
        )
    return DataError(
        "data.query_failed", f"the query on {name} failed: {lines[0]}", "Mend [data] query."
    )


def _without_secrets(message: str, url: URL) -> str:
    secrets = [str(url.password)] if url.password else []
    for values in url.query.values():
        secrets += [values] if isinstance(values, str) else list(values)
    for secret in secrets:
        for form in {secret, quote(secret, safe=""), quote_plus(secret)} - {""}:
            message = message.replace(form, "***")
    return message
