"""``up``, ``serve`` and ``control``: the long-running processes."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from holdfast.cli.common import Context, common


@click.command(epilog="Example:  holdfast up --port 8080")
@click.option("--host", help="Address of predictions; off loopback HOLDFAST_TOKEN is required.")
@click.option("--port", type=int, help="Port of predictions; 0 picks a free one.")
@click.option("--metrics-port", type=int, help="Port of the servers' /metrics.")
@click.option("--grpc-port", type=int, help="Port of gRPC; 0 picks a free one; off by default.")
@click.option("--control-port", type=int, help="Port of control API and dashboard.")
@click.option("--workers", type=int, help="Server processes.")
@common
def up(
    context: Context,
    host: str | None,
    port: int | None,
    metrics_port: int | None,
    grpc_port: int | None,
    control_port: int | None,
    workers: int | None,
) -> int:
    """Run data plane, recorder, control plane and dashboard on this machine.

    Each is a process of its own; one that dies is started again.
    """
    from holdfast.loop.up import make_plan, run

    plan = make_plan(
        context.project, host=host, port=port, metrics_port=metrics_port, grpc_port=grpc_port,
        control_port=control_port, workers=workers,
    )  # fmt: skip
    return run(plan, say=lambda line: click.echo(line, err=context.json))


@click.command(epilog="Example:  holdfast serve models:/churn@champion --port 8080")
@click.argument("bundle", required=False, envvar="HOLDFAST_SERVE_BUNDLE")
@click.option(
    "--digest",
    envvar="HOLDFAST_SERVE_DIGEST",
    metavar="SHA256",
    help="Serve the bundle only if this is its digest; required of an address.",
)
@click.option(
    "--version",
    "number",
    type=int,
    envvar="HOLDFAST_SERVE_VERSION",
    metavar="NUMBER",
    help="Record the bundle's predictions under this version.",
)
@click.option(
    "--host",
    envvar="HOLDFAST_HOST",
    help="Address of predictions; off loopback HOLDFAST_TOKEN is required.",
)
@click.option(
    "--port", type=int, envvar="HOLDFAST_PORT", help="Port of predictions; 0 picks a free one."
)
@click.option("--metrics-host", envvar="HOLDFAST_METRICS_HOST", help="Address of /metrics.")
@click.option("--metrics-port", type=int, envvar="HOLDFAST_METRICS_PORT", help="Port of /metrics.")
@click.option(
    "--grpc-port",
    type=int,
    envvar="HOLDFAST_GRPC_PORT",
    help="Port of gRPC; 0 picks a free one; off by default.",
)
@click.option("--workers", type=int, envvar="HOLDFAST_WORKERS", help="Server processes.")
@click.option("--memory", help="Most memory the models may take, such as 4GiB.")
@click.option(
    "--ready-file", type=click.Path(path_type=Path), help="Write the URLs here once it listens."
)
@click.option("--allow-pickle", is_flag=True, help="Load a pickled model made elsewhere.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="A bound on requests.")
@click.option(
    "--drain",
    type=click.FloatRange(min=0),
    default=0.0,
    envvar="HOLDFAST_DRAIN",
    help="Seconds between failing readiness and refusing connections, when told to stop.",
)
@click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=25.0,
    envvar="HOLDFAST_GRACE",
    help="Seconds that requests get to finish, when told to stop; 25 by default.",
)
@click.option(
    "--anonymous",
    is_flag=True,
    envvar="HOLDFAST_ANONYMOUS",
    help="Ask for no token off loopback, because something in front does.",
)
@common
def serve(
    context: Context,
    bundle: str | None,
    digest: str | None,
    number: int | None,
    host: str | None,
    port: int | None,
    metrics_host: str | None,
    metrics_port: int | None,
    grpc_port: int | None,
    workers: int | None,
    memory: str | None,
    ready_file: Path | None,
    allow_pickle: bool,
    limits: tuple[str, ...],
    drain: float,
    grace: float,
    anonymous: bool,
) -> int:
    """Run the data plane alone.

    With BUNDLE (a folder, a folder of such folders, its https, http or file address, or
    models:/name@alias) it serves just that; without, it follows the control plane
    (HOLDFAST_CONTROL_URL) and keeps serving the last known routes when that is down.
    On SageMaker, Vertex AI and Azure ML it serves the bundle that the platform put there.
    """
    from holdfast.loop.serve import Request, run

    asked = Request(
        bundle=bundle, digest=digest, version=number, host=host, port=port,
        metrics_host=metrics_host, metrics_port=metrics_port, grpc_port=grpc_port,
        workers=workers, memory=memory, allow_pickle=allow_pickle, anonymous=anonymous,
        ready_file=ready_file, limits=limits, drain=drain, grace=grace,
    )  # fmt: skip
    return run(context.project, asked)


@click.command(epilog="Example:  holdfast control --port 8700")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=int, help="Port of control API and dashboard; 8700 by default.")
@common
def control(context: Context, host: str, port: int | None) -> int:
    """Run the control plane alone: API, dashboard, reconciler."""
    container = context.container
    from holdfast.control.process import run
    from holdfast.loop.parent import end_with_parent

    end_with_parent()
    # uvicorn raises the signal once more at its end; by default that would skip clearing up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    return run(container, host=host, port=port)
