"""``report``."""

from __future__ import annotations

from pathlib import Path

import click

from holdfast.cli.common import Context, common, model_option, parse_time

FILE = Path("report.html")


@click.command(epilog="Example:  holdfast report --from 2026-03-01 --to 2026-04-01")
@click.option("--from", "start", metavar="TIME", help="Begin of the window; 30 days before.")
@click.option("--to", "end", metavar="TIME", help="End of the window; now by default.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"The HTML file; {FILE} without --json.",
)
@model_option
@common
def report(
    context: Context, start: str | None, end: str | None, out: Path | None, model: str | None
) -> None:
    """Write a report of a window as one HTML file: quality, drift, contract, slices, releases.

    The file holds all it shows: it loads nothing, needs no script, and prints. With --json the
    numbers are printed, and the file is written only with --out.
    """
    from holdfast.control.report.gather import report_of
    from holdfast.control.report.lead import lead
    from holdfast.control.report.page import html

    found = report_of(
        context.container,
        context.model(model),
        None if start is None else parse_time(start),
        None if end is None else parse_time(end),
    )
    file = out or (None if context.json else FILE)
    if file is not None:
        file.write_text(html(found), encoding="utf-8")
    context.emit(found, lambda: [*lead(found), f"written: {file}"])
