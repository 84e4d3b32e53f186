"""``release`` and ``rollback``."""

from __future__ import annotations

import time
from typing import Any

import click

from holdfast.cli.client import ControlClient
from holdfast.cli.common import Context, common, model_option, who
from holdfast.errors import UnavailableError
from holdfast.records import Release, ReleaseState


@click.command(epilog="Example:  holdfast release 4 --strategy canary --wait")
@click.argument("version", type=int)
@click.option("--strategy", type=click.Choice(["direct", "shadow", "canary", "blue_green"]))
@click.option("--wait", is_flag=True, help="Wait until it is live, aborted or inconclusive.")
@click.option("--approve", is_flag=True, help="Agree to a release that waits for approval.")
@click.option("--abort", metavar="WHY", help="Stop the release under way.")
@click.option("--note", default="", help="A remark, kept with the release.")
@click.option("--force", metavar="WHY", help="Release although the gate has not passed it.")
@model_option
@common
def release(
    context: Context,
    version: int,
    strategy: str | None,
    wait: bool,
    approve: bool,
    abort: str | None,
    note: str,
    force: str | None,
    model: str | None,
) -> int:
    """Start taking VERSION live, step by step; each step ends by evidence.

    With --wait, exit status 1 when it was aborted and 3 when it was inconclusive.
    """
    name = context.model(model)
    body = {"version": version, "strategy": strategy, "actor": who(), "force": force}
    body["note"] = note
    if approve:
        path, body = "approve", {"version": version, "actor": who(), "note": note}
    elif abort is not None:
        path, body = "abort", {"version": version, "actor": who(), "reason": abort}
    else:
        path = "releases"
    current = _act(context, name, path, body)
    if wait:
        current = _wait(context, current)
    context.emit(
        current,
        lambda: [f"{name} version {version}: {current.state.value}; {current.reason}"],
    )
    bad = {ReleaseState.ABORTED: 1, ReleaseState.ROLLED_BACK: 1, ReleaseState.INCONCLUSIVE: 3}
    return bad.get(current.state, 0) if wait else 0


@click.command(epilog="Example:  holdfast rollback --to 3")
@click.option("--to", "to", type=int, help="Version to put live; the previous one by default.")
@click.option("--why", default="by hand", help="Reason, for the history.")
@model_option
@common
def rollback(context: Context, to: int | None, why: str, model: str | None) -> None:
    """Put the previous version, or the one named, live at once.

    Exit status 0 once every server has confirmed.
    """
    name = context.model(model)
    done = _act(context, name, "rollback", {"to": to, "actor": who(), "reason": why})
    seconds = done.switched_in
    took = (
        f"every server confirmed in {seconds * 1000:.0f} ms"
        if seconds is not None
        else "no server is running; they will serve it when they start"
    )
    live = to if to is not None else done.previous
    context.emit(done, lambda: [f"{name}: version {live} is live again; {took}"])


@click.command(epilog="Example:  holdfast pause --why 'the warehouse is being moved'")
@click.option("--why", default="by hand", help="Reason, for the history.")
@model_option
@common
def pause(context: Context, why: str, model: str | None) -> None:
    """Halt the loop of a model: nothing is trained, released or moved forward.

    What is live is still watched, and what is bad still stopped and taken back.
    """
    _halt(context, model, "pause", why)


@click.command(epilog="Example:  holdfast resume")
@click.option("--why", default="by hand", help="Reason, for the history.")
@model_option
@common
def resume(context: Context, why: str, model: str | None) -> None:
    """Let the loop of a paused model go on; a step under way begins anew."""
    _halt(context, model, "resume", why)


def _halt(context: Context, model: str | None, path: str, why: str) -> None:
    name = context.model(model)
    body = {"actor": who(), "reason": why}
    client = ControlClient.find(context.container.settings)
    if client is not None:
        entry = client.call("POST", f"/api/v1/models/{name}/{path}", body)
    else:
        from holdfast.loop import pausing

        act = pausing.pause if path == "pause" else pausing.resume
        entry = act(context.container, name, **body).to_dict()
    context.emit(entry, lambda: [f"{name}: the loop is {path}d ({why})"])


def _act(context: Context, model: str, path: str, body: dict[str, Any]) -> Release:
    """Through the control plane when it runs, so that servers hear of it at once."""
    client = ControlClient.find(context.container.settings)
    if client is not None:
        answer = client.call("POST", f"/api/v1/models/{model}/{path}", body)
        import msgspec

        return msgspec.convert(answer, Release)
    from holdfast.loop.releasing import Releasing

    releasing = Releasing(context.container)
    if path == "releases":
        return releasing.start(model, **body)
    if path == "approve":
        return releasing.approve(model, **body)
    if path == "abort":
        return releasing.abort(model, **body)
    return releasing.rollback(model, **body)


def _wait(context: Context, started: Release) -> Release:
    store = context.container.store
    waiting = (ReleaseState.PENDING, ReleaseState.SHADOW, ReleaseState.CANARY)
    current = started
    idle_since = time.monotonic()
    while current.state in waiting:
        time.sleep(0.5)
        current = context.container.ask(store.releases.get, started.id)
        if ControlClient.find(context.container.settings) is not None:
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since > 30:
            raise UnavailableError(
                "control.not_running",
                f"version {started.version} waits, and no control plane runs to move it on",
                "Start it with 'holdfast up' or 'holdfast control'.",
            )
    return current
