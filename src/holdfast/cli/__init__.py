"""The command line, one file a command group; each loads only when it is called."""

from __future__ import annotations


def main() -> None:
    """Entry point of ``holdfast``."""
    from holdfast.cli.root import run

    run()
