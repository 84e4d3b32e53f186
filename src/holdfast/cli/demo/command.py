"""The command ``demo``."""

from __future__ import annotations

import shutil
import signal
import tempfile
from pathlib import Path

import click

from holdfast.cli.demo.narrator import DemoError, Narrator


@click.command(epilog="Example:  holdfast demo --keep")
@click.option("--keep", is_flag=True, help="Leave everything running and print the URLs.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON at the end.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to work; a temporary folder by default.",
)
def demo(keep: bool, as_json: bool, folder: Path | None) -> int:
    """A year of flights out of New York, through the real servers, on a compressed clock.

    A model is trained, judged, released, watched, retrained and rolled back; a worse candidate and
    one that is broken in production are stopped; the control plane is killed. Needs no network.

    Exit status 0 only if every stage did what it must.
    """
    from holdfast.cli.demo.story import tell
    from holdfast.cli.demo.world import World

    place = folder or Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    narrator = Narrator(as_json=as_json)
    world = World.make(place, narrator)
    status = 1
    # As Ctrl-C: whoever ends the demo wants its processes ended too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        tell(world, narrator)
        narrator.summary()
        status = 0
    except DemoError as failure:
        narrator.failed(str(failure), world.logs())
    finally:
        if not (keep and status == 0):
            world.close()
    if keep and status == 0:
        world.keep()
        return 0
    if folder is None and status == 0:
        shutil.rmtree(place, ignore_errors=True)
    return status
