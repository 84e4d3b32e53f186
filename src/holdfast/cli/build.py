"""``build``: a version's image, built and tried."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from holdfast.cli.common import Context, common, model_option

if TYPE_CHECKING:
    from holdfast.ports.rendering import Built


@click.command(epilog="Example:  holdfast build 3 --tag churn:3")
@click.argument("version", type=int)
@click.option(
    "--tag",
    "tags",
    multiple=True,
    metavar="NAME",
    help="Name of the image; MODEL:VERSION by default. May be repeated.",
)
@click.option("--base", metavar="IMAGE", help="Base image; python:3.11-slim by default.")
@click.option("--network", metavar="NAME", help="Network of the build, such as host.")
@click.option("--anonymous", is_flag=True, help="Ask callers for no token.")
@model_option
@common
def build(
    context: Context,
    version: int,
    tags: tuple[str, ...],
    base: str | None,
    network: str | None,
    anonymous: bool,
    model: str | None,
) -> None:
    """Build the image of VERSION with the local engine and try it.

    The image is started without network, privileges or a writable root; it must become ready and
    answer its golden rows as it did at registration.
    """
    from holdfast.loop.rendering import find_build, find_target, subject_of_version, write
    from holdfast.ports.rendering import BuildOrder

    name = context.model(model)
    subject = subject_of_version(context.container, name, version)
    target = find_target("docker")
    chosen = {"anonymous": anonymous, **({"base": base} if base else {})}
    options = target.options(**chosen)
    with tempfile.TemporaryDirectory(prefix="holdfast-image-") as work:
        folder = Path(work) / "image"
        write(target.render(subject, options), folder)
        order = BuildOrder(
            context=folder, tags=tags or (f"{name}:{version}",), base=str(options.base),  # type: ignore[attr-defined]
            network=network, say=context.progress,
        )  # fmt: skip
        built = find_build("docker")(subject, order)
    context.emit(built, lambda: _lines(built))


def _lines(built: Built) -> list[str]:
    added = built.size - built.base_size
    more = f", {added / 1e6:.0f} MB above the base" if built.base_size else ""
    asked = f"{built.rows} golden rows answered as at registration"
    return [
        f"built {' '.join(built.tags)}: {built.size / 1e6:.0f} MB{more}",
        f"ready {built.ready_seconds:.1f} s after its start; {asked}",
        f"next: docker run --read-only -p 8080:8080 -e HOLDFAST_TOKEN {built.tags[0]}",
    ]
