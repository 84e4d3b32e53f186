"""The command line, one file a command group; each loads only when it is called."""

from __future__ import annotations

import os


def main() -> None:
    """Entry point of ``holdfast``."""
    # Beside a server, threads of OpenMP that wait by spinning take its cores and then each other's:
    # fitting a gradient boosting on a busy machine took ten times as long. Read by libgomp when it
    # is loaded, so it must be set first; processes started from here inherit it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    from holdfast.cli.root import run

    run()
