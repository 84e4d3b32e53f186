"""``notify``: try the channels, and see what was sent."""

from __future__ import annotations

import click

from holdfast.cli.common import Context, common, model_option, table, when


@click.group()
def notify() -> None:
    """Who is told what, and whether it arrived."""


@notify.command(epilog="Example:  holdfast notify test --channel slack")
@click.option("--channel", metavar="NAME", help="One channel; all of the model by default.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@model_option
@common
def test(context: Context, channel: str | None, dry_run: bool, model: str | None) -> int:
    """Send a message that says it is a test, and tell what came back.

    Exit status 1 when a channel did not take it.
    """
    from holdfast.loop.trying import try_channels

    tried = try_channels(context.container, context.model(model), channel, dry_run=dry_run)
    context.emit(tried, lambda: [line for one in tried for line in one.lines()])
    return 0 if all(one.ok for one in tried) else 1


@notify.command("list", epilog="Example:  holdfast notify list --limit 10")
@click.option("--limit", default=50, show_default=True, help="Newest messages to show.")
@model_option
@common
def listing(context: Context, limit: int, model: str | None) -> None:
    """The outbox, newest first: what was sent, what waits, what was given up."""
    store = context.container.store
    rows = context.container.ask(store.notifications.list, context.known(model), limit=limit)
    context.emit(
        rows,
        lambda: (
            table(
                ["time (UTC)", "model", "channel", "state", "tries", "title", "said"],
                (
                    [when(r.at), r.model, r.channel, r.state.value, r.attempts, r.title, r.said]
                    for r in rows
                ),
            )
            if rows
            else ["nobody was told anything yet"]
        ),
    )
