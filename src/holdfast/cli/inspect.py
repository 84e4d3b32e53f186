"""``status``, ``versions``, ``history``, ``incidents``, ``live-at`` and ``audit``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from holdfast.cli.common import Context, common, model_option, parse_time, table, when, who

if TYPE_CHECKING:
    from holdfast.records import Incident


@click.command(epilog="Example:  holdfast status --json")
@model_option
@common
def status(context: Context, model: str | None) -> None:
    """What is live, how it does, and what is under way."""
    from holdfast.loop.views import status_of

    views = [status_of(context.container, name) for name in _models(context, model)]
    context.emit(views, lambda: [line for view in views for line in view.lines()])


@click.command(epilog="Example:  holdfast versions")
@model_option
@common
def versions(context: Context, model: str | None) -> None:
    """Every version, newest first, with its lineage and why it is served as it is."""
    from holdfast.loop.views import versions_of

    rows = versions_of(context.container, context.model(model))
    context.emit(
        rows,
        lambda: table(
            ["version", "live", "verdict", "metric", "trained", "data until", "parent", "served by",
             "run", "dataset"],
            (
                [r.version.number, r.role, r.verdict, r.metric, when(r.version.created_at),
                 when(r.version.data_end), r.version.parent, r.served_by, r.version.run[:8],
                 r.version.dataset[7:19]]
                for r in rows
            ),
        ),
    )  # fmt: skip


@click.command(epilog="Example:  holdfast history --limit 20")
@click.option("--limit", default=50, show_default=True, help="Newest lines to show; 0 for all.")
@model_option
@common
def history(context: Context, limit: int, model: str | None) -> None:
    """What happened, newest first: who, when and why."""
    from holdfast.loop.views import history_of

    rows = history_of(context.container, context.known(model), limit or None)
    context.emit(
        rows,
        lambda: table(
            ["#", "time (UTC)", "model", "what", "who", "why"],
            ([r.seq, when(r.at), r.model, r.kind, r.actor, r.sentence] for r in rows),
        ),
    )


@click.command(epilog="Example:  holdfast incidents --all")
@click.option("--all", "everything", is_flag=True, help="Closed ones too.")
@click.option("--close", "close", metavar="ID", help="Close an incident.")
@click.option("--why", default="closed by hand", help="With --close: the reason.")
@click.option("--acknowledge", metavar="ID", help="Say that you look after an incident.")
@model_option
@common
def incidents(
    context: Context,
    everything: bool,
    close: str | None,
    why: str,
    acknowledge: str | None,
    model: str | None,
) -> None:
    """What is wrong, and what was."""
    from holdfast.loop.incidents import acknowledge as take
    from holdfast.loop.incidents import close_by_hand

    store = context.container.store
    context.known(model)
    if close:
        close_by_hand(context.container, close, why)
    if acknowledge:
        take(context.container, acknowledge, who())
    rows = context.container.ask(store.incidents.list, model, open_only=not everything)
    context.emit(
        rows,
        lambda: _incident_lines(rows, everything=everything),
    )


def _incident_lines(rows: Sequence[Incident], *, everything: bool) -> Iterator[str]:
    if not rows:
        yield "nothing was ever wrong" if everything else "nothing is wrong"
        return
    yield from table(
        ["incident", "model", "version", "state", "since", "looked after by", "title"],
        (
            [
                r.id,
                r.model,
                r.version,
                r.state,
                when(r.opened_at),
                r.acknowledged_by or None,
                r.title,
            ]
            for r in rows
        ),
    )
    for row in rows:
        if row.causes is not None:
            yield ""
            yield f"{row.id}: {row.causes.sentence}"


@click.command("live-at", epilog="Example:  holdfast live-at 2026-03-03T14:30:00Z")
@click.argument("time", type=str)
@model_option
@common
def live_at(context: Context, time: str, model: str | None) -> None:
    """Which version answered at TIME, trained on what, released by whom, on which evidence."""
    from holdfast.loop.views import live_at as look_up

    moment: datetime = parse_time(time)
    view = look_up(context.container, context.model(model), moment)
    context.emit(view, view.lines)


@click.group()
def audit() -> None:
    """The hash-chained log of every decision."""


@audit.command(epilog="Example:  holdfast audit verify")
@common
def verify(context: Context) -> None:
    """Re-check the hash chain. Exit status 0 intact, 1 tampered."""
    checked = context.container.ask(context.container.store.events.verify)
    context.emit(
        checked,
        lambda: [f"intact: {checked.count} events, from the first to {checked.head[:19]}"],
    )


@audit.command(epilog="Example:  holdfast audit export > audit.jsonl")
@common
def export(context: Context) -> None:
    """Print every event as JSON lines, oldest first."""
    store = context.container.store
    with store.read() as tx:
        for line in store.events.export_jsonl(tx):
            click.echo(line, nl=False)


def _models(context: Context, model: str | None) -> list[str]:
    return [model] if model else context.container.models()
