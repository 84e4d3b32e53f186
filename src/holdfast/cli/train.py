"""``train`` and ``gate``."""

from __future__ import annotations

from pathlib import Path

import click

from holdfast.cli.common import Context, common, model_option, table
from holdfast.records import Verdict, Version

EXIT = {"pass": 0, "fail": 1, "inconclusive": 3}


@click.command(epilog="Example:  holdfast train")
@click.option(
    "--accept-data",
    metavar="WHY",
    help="Train although the data breaks its contract, because the change is meant.",
)
@common
def train(context: Context, accept_data: str | None) -> None:
    """Train: dataset version, run, evaluation with intervals, registered version, bundle.

    Exit status 1 when the data or the training callable failed.
    """
    from holdfast.loop.pipeline import train_now

    version = train_now(context.container, accept=accept_data, tell=context.progress)
    context.emit(version, lambda: describe(version))


def describe(version: Version) -> list[str]:
    """A version in a few lines."""
    runs = f"trained on {version.dataset[:19]}, run {version.run}"
    parent = f", after version {version.parent}" if version.parent else ""
    note = f" ({version.predictor_note})" if version.predictor_note else ""
    return [
        f"registered {version.model} version {version.number}{parent}: {runs}",
        *table(
            ["metric", "value", "95 % from", "to", "rows"],
            (
                [m.name, round(m.value, 4), round(m.low, 4), round(m.high, 4), m.n]
                for m in version.metrics
            ),
        ),
        f"served by {version.predictor}{note}; bundle {version.bundle[:19]}",
        f"next: holdfast gate {version.number}",
    ]


@click.command(epilog="Example:  holdfast gate 4 --junit gate.xml --markdown gate.md")
@click.argument("version", required=False, type=int)
@click.option("--junit", type=click.Path(path_type=Path), help="Write JUnit XML here.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write Markdown here.")
@model_option
@common
def gate(
    context: Context,
    version: int | None,
    junit: Path | None,
    markdown: Path | None,
    model: str | None,
) -> int:
    """Judge VERSION (default: the newest) against the champion.

    Exit status: 0 pass, 1 fail, 3 inconclusive.
    """
    from holdfast.gate import render
    from holdfast.loop.gating import gate_now

    verdict = gate_now(context.container, context.model(model), version)
    if junit:
        junit.write_text(render.junit(verdict), encoding="utf-8")
    if markdown:
        markdown.write_text(render.markdown(verdict), encoding="utf-8")
    context.emit(verdict, lambda: lines(verdict))
    return EXIT[verdict.outcome]


@click.command(epilog="Example:  holdfast card 4 --html card.html")
@click.argument("version", type=int, required=False)
@click.option("--html", type=click.Path(path_type=Path), help="Write it as one HTML file.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write it as Markdown.")
@model_option
@common
def card(
    context: Context,
    version: int | None,
    html: Path | None,
    markdown: Path | None,
    model: str | None,
) -> None:
    """Show the model card of VERSION (default: the newest): what it is, and what the gate found.

    Both forms hold all they show, without links to elsewhere. The gate keeps them with the version,
    as card.html and card.md among the artefacts of its run.
    """
    from holdfast.gate import card as cards
    from holdfast.loop.cards import card_of

    found = card_of(context.container, context.model(model), version)
    if html:
        html.write_text(cards.html(found), encoding="utf-8")
    if markdown:
        markdown.write_text(cards.markdown(found), encoding="utf-8")
    written = [f"written: {path}" for path in (html, markdown) if path]
    context.emit(found, lambda: written or cards.markdown(found).splitlines())


def lines(verdict: Verdict) -> list[str]:
    """A verdict as text: each check in one sentence."""
    marks = {"pass": "ok  ", "fail": "FAIL", "inconclusive": "?   "}
    against = f"against version {verdict.champion}" if verdict.champion else "no champion yet"
    then = f"next: holdfast release {verdict.version}, while 'holdfast up' runs"
    return [
        f"{verdict.model} version {verdict.version}: {verdict.outcome} ({against})",
        *(f"  {marks[check.outcome]} {check.name}: {check.sentence}" for check in verdict.checks),
        *([then] if verdict.outcome == "pass" else []),
    ]
