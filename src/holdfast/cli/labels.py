"""``labels add``."""

from __future__ import annotations

from typing import Literal

import click

from holdfast.cli.common import Context, common, model_option


@click.group()
def labels() -> None:
    """Outcomes: what turned out to be true of predictions."""


@labels.command(epilog="Example:  holdfast labels add landed.csv   (or - for standard input)")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "--format", "kind", type=click.Choice(["csv", "parquet", "jsonl"]), help="Guessed by default."
)
@model_option
@common
def add(
    context: Context, file: str, kind: Literal["csv", "parquet", "jsonl"] | None, model: str | None
) -> None:
    """Take in outcomes from FILE: CSV, Parquet or JSON lines.

    Columns: the spec's id and label, and its label_time when there is one (or id, label, time).
    Late, repeated and corrected labels are welcome; the latest by time counts. When a row is bad,
    nothing of the file is kept and the bad rows are named.
    """
    from holdfast.loop.outcomes import add_labels_from

    added = add_labels_from(context.container, context.model(model), file, kind)
    context.emit(
        added,
        lambda: [
            f"{added.rows} labels: {added.new} new, {added.corrected} corrected, "
            f"{added.duplicate} already known"
            + (
                f"; {added.unknown} belong to no prediction yet and are kept"
                if added.unknown
                else ""
            )
        ],
    )
