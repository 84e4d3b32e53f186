"""The list of models, and what it shares with the page of one model."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from markupsafe import Markup

from holdfast.control.charts import sparkline
from holdfast.control.contexts import HomePage
from holdfast.control.panels import Badge, ModelLine
from holdfast.control.quality import estimated, measured
from holdfast.control.seen import read_look
from holdfast.errors import HoldfastError
from holdfast.loop.container import Container
from holdfast.loop.stints import stints
from holdfast.loop.views import ModelStatus, status_of

HOURS = 24


def home_page(container: Container) -> HomePage:
    """``/``."""
    return HomePage(
        title="Models",
        at=container.clock.now(),
        models=tuple(model_line(container, name) for name in container.models()),
    )


def model_line(container: Container, name: str) -> ModelLine:
    """One model; one that cannot be shown says why, and does not hide the others."""
    try:
        status = status_of(container, name)
    except HoldfastError as error:
        return ModelLine(name=name, health=Badge("cannot be shown", "bad"), trouble=str(error))
    store = container.store
    with store.read() as tx:
        lived = stints(store.routes.history(tx, name, 10_000))
        live = lived[-1] if lived else None
        look = read_look(store.looks.find(tx, name, *live[:2])) if live else None
    total, spark = hourly(container, name)
    return ModelLine(
        name=name,
        task=status.task,
        live=None if status.live is None else status.live.number,
        since=live.since if live else None,
        health=health_of(status),
        incident=status.incidents[0] if status.incidents else None,
        predictions=total,
        spark=spark,
        estimated=estimated(look) if look else None,
        realised=measured(look) if look else None,
        release=status.release,
    )


def hourly(container: Container, model: str) -> tuple[int, Markup | None]:
    """Rows answered to callers in each of the last 24 hours: their sum, and drawn."""
    now = container.clock.now()
    start = now - timedelta(hours=HOURS)
    hour = (pl.col("at").dt.epoch("us") - round(start.timestamp() * 1e6)) // 3_600_000_000
    rows = container.log.scan(model, start, now, role="live").group_by(hour=hour).len().collect()
    found = dict(rows.iter_rows())
    counts = [int(found.get(place, 0)) for place in range(HOURS)]
    if not any(counts):
        return 0, None
    return sum(counts), sparkline(counts, "Predictions an hour, last 24 hours")


def health_of(status: ModelStatus) -> Badge:
    """The worst that is known of a model."""
    if status.incidents:
        count = len(status.incidents)
        return Badge("open incident" if count == 1 else f"{count} open incidents", "bad")
    if status.live is None:
        return Badge("nothing live")
    if any(status.model in server.problems for server in status.servers):
        return Badge("a server has trouble", "bad")
    if not status.servers:
        return Badge("no server running", "warn")
    return Badge("healthy", "good")
