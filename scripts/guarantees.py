"""Writes docs/guarantees.md: each guarantee in plain words, with what benchmarks/results measured.

.venv/bin/python scripts/guarantees.py            writes the page
.venv/bin/python scripts/guarantees.py --check    exit status 1 when it is out of date
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guarantees.md"
RESULTS = ROOT / "benchmarks" / "results"

HEAD = """<!-- Written by scripts/guarantees.py from benchmarks/results; do not edit. -->

# Guarantees

What you may rely on, in plain words; what was measured; and the command that measures it again. The
numbers are taken from `benchmarks/results` when this page is made, and a test fails when the page
says anything else. How each test works stands in [Statistics](statistics.md).

Rates come from simulations in which the truth is known. The range in brackets is the 95 % interval
of the rate itself: with few simulations it is wide, and "0 %" does not mean never.

What has no rate is held by tests that break things on purpose: that nothing is lost or done twice
when something is killed ([Recover after a crash](howto/recover-after-a-crash.md)), that broken
data is not learned and the loop does not swing ([Retrain by itself](howto/retrain-by-itself.md)).
What hundreds of models cost one control plane stands in the
[results](benchmarks-results.md#fleet).
"""


@dataclass(frozen=True)
class Cell:
    """A number of a table of text.

    Args:
        said: what it is, for people.
        benchmark: name of the file.
        grid: how the table's title begins.
        line: the first cells of its line.
        column: how the heading begins; ``also`` that of the interval, when it has its own column.
    """

    said: str
    benchmark: str
    grid: str
    line: tuple[str, ...]
    column: str
    also: str = ""


@dataclass(frozen=True)
class Guarantee:
    """One promise.

    Args:
        words: what is promised, and what is not.
        cells: what was measured.
        runs: names of the benchmarks that measure it.
    """

    title: str
    words: str
    cells: tuple[Cell, ...] = ()
    runs: tuple[str, ...] = ()


def worse(metric: str) -> Cell:
    """How often a candidate passes that is worse by the margin."""
    return Cell(metric, "gate", "false promotions", (metric,), "promoted")


def good(world: str) -> Cell:
    """How often a good version is stopped."""
    return Cell(world, "release", "versions as good", (world,), "stopped", "95 %")


def bad(fault: str) -> Cell:
    """How often a planted fault is stopped."""
    return Cell(fault, "release", "planted bad versions", (fault,), "stopped", "95 %")


def quiet(said: str, streams: str, column: str) -> Cell:
    """How often something is said while nothing changes."""
    return Cell(said, "detection", "no change: Holdfast as shipped", (streams,), column)


GUARANTEES = (
    Guarantee(
        "A worse model is hardly ever promoted",
        "The gate compares a candidate with the live version on the same held-out rows. One "
        "that is worse by exactly the margin, the hardest case, passes in at most `[gate] "
        "alpha` (5 %) of all samples. When there are too few rows the answer is "
        '"inconclusive", never "pass". It holds for rows like the held-out ones; for others '
        "there are releases.",
        (worse("accuracy"), worse("roc_auc"), worse("neg_brier_score"),
         worse("neg_mean_absolute_error")),
        ("gate",),
    ),
    Guarantee(
        "Two equal models: the worse one is hardly ever called the better",
        "With `superior = true` a candidate must be shown to be better. Of two models trained "
        "alike, the one that is truly worse is promoted in at most `alpha` of all samples.",
        (Cell("accuracy", "gate", "A/A", ("accuracy", "to be better"), "promoted wrongly"),
         Cell("roc_auc", "gate", "A/A", ("roc_auc", "to be better"), "promoted wrongly")),
        ("gate",),
    ),
    Guarantee(
        "A real regression is found",
        "Safety is worth little if the gate finds nothing: this often it fails a candidate "
        "that is worse by 0.03, with a margin of 0.02 and 2,000 rows, and passes one that is "
        "equal.",
        (Cell("accuracy worse by 0.03: fails", "gate", "power", ("accuracy", "0.03"), "fail"),
         Cell("ROC AUC worse by 0.03: fails", "gate", "power", ("roc_auc", "0.03"), "fail"),
         Cell("accuracy equal: passes", "gate", "power", ("accuracy", "0"), "pass"),
         Cell("ROC AUC equal: passes", "gate", "power", ("roc_auc", "0"), "pass")),
        ("gate",),
    ),
    Guarantee(
        "A regression in a small slice is found, and many slices do not cry wolf",
        "With a correction for the number of slices, twenty slices that are all as bad as is "
        "just allowed fail the check in about `alpha` of all samples. One slice of 5 % of "
        "10,000 rows is found and named this often. A smaller loss in a small slice may stay "
        "hidden.",
        (Cell("all as bad as is just allowed: fails", "gate", "slices",
              ("all 20 slices are worse by exactly the margin, 0.01",), "check fails"),
         Cell("one worse by 0.03: found", "gate", "slices", ("one slice is worse by 0.03",),
              "and names"),
         Cell("one worse by 0.05: found", "gate", "slices", ("one slice is worse by 0.05",),
              "and names")),
        ("gate",),
    ),
    Guarantee(
        "A good version is hardly ever stopped on its way",
        "A release is looked at as often as one likes; over its whole length a version as "
        "good as the live one is stopped in at most `alpha` (5 %) of all releases: also with "
        "bursts of load, errors, requests whose rows fail together, and labels that come late "
        "or never.",
        tuple(good(one) for one in (
            "steady traffic", "latencies without a variance, bursts of load",
            "errors on 1 request in 20", "8 rows a request, which fail together",
            "labels late, positives three times later", "all together")),
        ("release",),
    ),
    Guarantee(
        "A bad version is stopped while few requests see it",
        "How often a planted fault stops a release within 2,000 requests, of which a canary's "
        "first step takes 5 %. What is small may go live; then the watch takes it back as "
        "labels mature.",
        tuple(bad(one) for one in (
            "fails on 2 % more", "fails on 5 % more", "fails on 20 % more", "takes 2 times as long",
            "takes 3 times as long", "scores shifted by 0.2", "swaps the classes in a slice of 5 %",
            "swaps the classes everywhere", "loss greater by 0.04")),
        ("release",),
    ),
    Guarantee(
        "Going back takes a moment",
        "The previous version stays loaded, so a rollback changes a pointer. Measured under "
        "full load, from the call until the last answer of the bad version.",
        runs=("rollback",),
    ),
    Guarantee(
        "A page is worth getting up for",
        "Drift by itself pages nobody. What may page shares one budget, `[monitor] "
        "pages_per_month`: while nothing is wrong, the statistics of those monitors reach "
        "their thresholds no more often than that on average. It is approximate where days "
        "differ from each other for reasons of their own; what was simulated stands in "
        "[Statistics](statistics.md). Below: false pages in 30 days, where one is allowed. "
        "Findings of drift have a budget of one in 30 days too, also where days hang together.",
        tuple(quiet(*one) for one in (
            ("pages, all streams", "all together", "pages"),
            ("pages, autocorrelated days", "autocorrelated days, 20 columns, 1,000 rows a day",
             "pages"),
            ("pages, days of real flights, shuffled", "flights, days shuffled", "pages"),
            ("drift, independent days", "independent, 20 columns, 1,000 rows a day", "drift"),
            ("drift, autocorrelated days", "autocorrelated days, 20 columns, 1,000 rows a day",
             "drift"),
            ("drift, days of real flights, shuffled", "flights, days shuffled", "drift"))),
        ("detection",),
    ),
)  # fmt: skip


def read(name: str, results: Path) -> dict[str, Any]:
    """What a benchmark kept."""
    return dict(msgspec.json.decode((results / f"{name}.json").read_bytes()))


def looked_up(cell: Cell, results: Path) -> str:
    """The text of a cell; a LookupError that names what is gone when there is none."""
    where = f"{cell.benchmark}: '{cell.grid}…', {cell.line}, '{cell.column}…'"
    for grid in read(cell.benchmark, results)["grids"]:
        if grid["title"].startswith(cell.grid):
            heads: list[str] = grid["heads"]
            for line in grid["lines"]:
                if tuple(line[: len(cell.line)]) == cell.line:
                    return _text(line, heads, cell, where)
    raise LookupError(f"benchmarks/results has no {where}")


def _text(line: list[str], heads: list[str], cell: Cell, where: str) -> str:
    place = next((i for i, head in enumerate(heads) if head.startswith(cell.column)), None)
    if place is None:
        raise LookupError(f"benchmarks/results has no {where}")
    if not cell.also:
        return line[place]
    after = heads.index(next(head for head in heads[place:] if head.startswith(cell.also)), place)
    return f"{line[place]} ({line[after]})"


def page(results: Path = RESULTS) -> str:
    """The whole page."""
    parts = [HEAD]
    for one in GUARANTEES:
        parts += [f"## {one.title}", "", fill(one.words, 104), ""]
        if one.cells:
            parts += ["| | measured |", "|---|---|"]
            parts += [f"| {cell.said} | {looked_up(cell, results)} |" for cell in one.cells]
            parts.append("")
        if one.title == "Going back takes a moment":
            parts += [*_times("rollback", results), ""]
        for name in one.runs:
            facts = read(name, results)
            text = (
                f"{facts['about']} Measured {facts['at'][:10]} with "
                f"`.venv/bin/python benchmarks/run.py {name}`; see the [results]"
                f"(benchmarks-results.md#{name})."
            )
            parts += [fill(text, 104), ""]
    return "\n".join(parts).rstrip() + "\n"


def _times(name: str, results: Path) -> Iterator[str]:
    """Median and worst of the rows of a benchmark, and its first two notes."""
    facts = read(name, results)
    yield "| | median | worst |"
    yield "|---|---|---|"
    table = facts["tables"][0]
    for row in table["rows"]:
        values = [value for value in row["values"] if value is not None]
        cells = (
            f"{value:.0f} {table['unit']}" for value in (statistics.median(values), max(values))
        )
        yield f"| {row['name']} | {' | '.join(cells)} |"
    yield ""
    yield from (f"- {note}" for note in facts["notes"][:2])


def main() -> int:
    """Writes or checks the page."""
    text = page()
    if "--check" in sys.argv:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        print("docs/guarantees.md is out of date: run .venv/bin/python scripts/guarantees.py")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print("wrote docs/guarantees.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
