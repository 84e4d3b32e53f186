"""The tables, written once. Each keeps its record as JSON beside the columns that are queried.

The migrations in ``holdfast.store.migrations`` must lead to exactly this; a test compares both.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


class UtcTime(TypeDecorator[datetime]):
    """An aware time as whole microseconds since 1970 UTC: exact and sortable on every engine."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> int | None:
        """Microseconds since 1970.

        Raises:
            ValueError: when the time has no zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone")
        return (value - _EPOCH) // _TICK

    def process_result_value(self, value: int | None, _: Dialect) -> datetime | None:
        """The aware UTC time."""
        return None if value is None else _EPOCH + value * _TICK


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _text(name: str, *, primary_key: bool = False, index: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=primary_key, nullable=False, index=index)


def _model(*, primary_key: bool = False) -> Column[str]:
    return Column("model", Text, ForeignKey("models.name"), primary_key=primary_key, nullable=False)


def _time(name: str, *, primary_key: bool = False) -> Column[datetime]:
    return Column(name, UtcTime, primary_key=primary_key, autoincrement=False, nullable=False)


def _number(name: str, *, primary_key: bool = False) -> Column[int]:
    return Column(name, Integer, primary_key=primary_key, autoincrement=False, nullable=False)


def _record() -> Column[str]:
    return Column("record", Text, nullable=False)


models = Table("models", metadata, _text("name", primary_key=True), _record())

datasets = Table(
    "datasets",
    metadata,
    _text("id", primary_key=True),
    _model(),
    _time("created_at"),
    _record(),
    Index(None, "model", "created_at"),
)

versions = Table(
    "versions", metadata, _model(primary_key=True), _number("number", primary_key=True), _record()
)

verdicts = Table(
    "verdicts",
    metadata,
    _text("id", primary_key=True),
    _model(),
    _number("version"),
    _time("created_at"),
    _record(),
    Index(None, "model", "created_at"),
)

MOVING = ("pending", "shadow", "canary")
"""States of a release of which a model has at most one."""

releases = Table(
    "releases",
    metadata,
    _text("id", primary_key=True),
    _model(),
    _number("version"),
    _text("state"),
    _time("started_at"),
    _record(),
    Index(None, "model", "started_at"),
    Index(
        "uq_releases_moving",
        "model",
        unique=True,
        sqlite_where=text("state IN ('pending', 'shadow', 'canary')"),
        postgresql_where=text("state IN ('pending', 'shadow', 'canary')"),
    ),
)

routes = Table(
    "routes",
    metadata,
    _model(primary_key=True),
    _number("epoch", primary_key=True),
    _time("created_at"),
    _record(),
    Index(None, "model", "created_at"),
)

servers = Table("servers", metadata, _text("server", primary_key=True), _time("at"), _record())

findings = Table(
    "findings",
    metadata,
    _text("id", primary_key=True),
    _text("model"),
    _number("version"),
    _time("at"),
    _text("kind"),
    _record(),
    Index(None, "model", "at"),
)

decisions = Table(
    "decisions",
    metadata,
    _text("id", primary_key=True),
    _text("model"),
    _time("at"),
    _text("action"),
    _record(),
    Index(None, "model", "at"),
)

incidents = Table(
    "incidents",
    metadata,
    _text("id", primary_key=True),
    _text("model"),
    _text("state"),
    _time("opened_at"),
    _record(),
    Index(None, "model", "opened_at"),
)

jobs = Table(
    "jobs",
    metadata,
    _text("id", primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    _text("kind"),
    _text("model"),
    _text("state", index=True),
    _time("created_at"),
    _record(),
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    _time("at"),
    _text("kind"),
    _text("model"),
    _record(),
    Index(None, "model", "seq"),
)

event_head = Table(
    "event_head",
    metadata,
    _number("id", primary_key=True),
    Column("seq", BigInteger, nullable=False),
    _text("hash"),
    CheckConstraint("id = 1", name="single"),
)

looks = Table(
    "looks",
    metadata,
    _model(primary_key=True),
    _number("version", primary_key=True),
    _time("since", primary_key=True),
    _time("at"),
    _record(),
)

fleet = Table(
    "fleet",
    metadata,
    _model(primary_key=True),
    _time("at"),
    Column("least_share", Float, nullable=False),
)

notifications = Table(
    "notifications",
    metadata,
    _text("id", primary_key=True),
    _model(),
    _text("channel"),
    _text("state"),
    _time("created_at"),
    _record(),
    Index(None, "state", "created_at"),
)

leases = Table(
    "leases",
    metadata,
    _text("name", primary_key=True),
    Column("owner", Text, nullable=True),
    Column("token", BigInteger, nullable=False),
    _time("expires_at"),
)
