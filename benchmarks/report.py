"""What a benchmark found: values by row and round, ratios within a round, tables of text.

Rows of one table are measured in turn, round after round, so that a ratio compares what ran side
by side on the same machine in the same minute. Medians are shown with the whole range: nothing is
left out.
"""

from __future__ import annotations

import os
import platform
import statistics
from datetime import UTC, datetime
from pathlib import Path

import msgspec

RESULTS = Path(__file__).parent / "results"


class Row(msgspec.Struct):
    """One thing measured: a value a round; None where it failed."""

    name: str
    values: list[float | None]
    note: str = ""

    @property
    def sound(self) -> list[float]:
        return [value for value in self.values if value is not None]


class Table(msgspec.Struct, kw_only=True):
    """Rows of one unit.

    Args:
        base: name of the row that ratios are taken to.
        less: whether less is better.
        gain: ratios say how many times better than the base, not how many times as much.
    """

    title: str
    unit: str
    rows: list[Row]
    base: str | None = None
    less: bool = True
    gain: bool = False

    def ratios(self, row: Row) -> list[float]:
        """The ratio to the base, round by round."""
        base = next((other for other in self.rows if other.name == self.base), None)
        if base is None or base is row:
            return []
        pairs = [
            (mine, other)
            for mine, other in zip(row.values, base.values, strict=False)
            if mine and other
        ]
        turned = self.gain and self.less
        return [other / mine if turned else mine / other for mine, other in pairs]


class Grid(msgspec.Struct):
    """Cells that were put together from several tables; the first column names the line."""

    title: str
    heads: list[str]
    lines: list[list[str]]


class Report(msgspec.Struct, kw_only=True):
    """All tables of one benchmark."""

    name: str
    about: str
    tables: list[Table]
    notes: list[str] = []
    grids: list[Grid] = []
    machine: dict[str, str] = msgspec.field(default_factory=lambda: machine())
    at: str = msgspec.field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


def keep(report: Report) -> None:
    """Writes ``results/NAME.json``, whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{report.name}.json"
    draft = file.with_suffix(".tmp")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    draft.replace(file)


def machine() -> dict[str, str]:
    """What a reader must know to compare."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load": load,
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def text(report: Report) -> str:
    """For a terminal."""
    parts = [f"\n{report.name}: {report.about}"]
    for grid in report.grids:
        lines = [grid.heads, *grid.lines]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        parts.append(f"\n  {grid.title}")
        for line in lines:
            cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
            parts.append("    " + "  ".join(cells).rstrip())
    for table in report.tables:
        cells = _cells(table)
        widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
        parts.append(f"\n  {table.title}")
        for line in cells:
            first, *others = [
                cell.ljust(width) if index == 0 or index == len(line) - 1 else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            parts.append("    " + "  ".join([first, *others]).rstrip())
    parts.extend(f"  note: {note}" for note in report.notes)
    return "\n".join(parts)


def markdown(reports: list[Report]) -> str:
    """For the documentation."""
    parts = ["# Results of the benchmarks", "", "Written by `benchmarks/run.py --markdown`.", ""]
    for report in reports:
        facts = report.machine
        parts += [f"## {report.name}", "", report.about, ""]
        parts += [
            (
                f"{report.at[:16].replace('T', ' ')} UTC, {facts['cores']} cores "
                f"({facts['processor']}), Python {facts['python']}, {facts['system']}; "
                f"load average at the end {facts['load']}."
            ),
            "",
        ]
        for grid in report.grids:
            aligned = ["---", *("---:" for _ in grid.heads[1:])]
            parts += [f"**{grid.title}**", ""]
            parts += [f"| {' | '.join(line)} |" for line in (grid.heads, aligned, *grid.lines)]
            parts.append("")
        for table in report.tables:
            head, *lines = _cells(table)
            aligned = ["---", *("---:" for _ in head[1:-1]), "---"]
            parts += [f"**{table.title}**", ""]
            parts += [f"| {' | '.join(line)} |" for line in (head, aligned, *lines)]
            parts.append("")
        parts += [f"- {note}" for note in report.notes] + ([""] if report.notes else [])
    return "\n".join(parts).rstrip() + "\n"


def _cells(table: Table) -> list[list[str]]:
    ratio = f"times {'better than' if table.gain else 'that of'} {table.base}"
    lines = [["", f"median, {table.unit}", "range", "rounds", ratio, "note"]]
    for row in table.rows:
        values, ratios = row.sound, table.ratios(row)
        lines.append(
            [
                row.name,
                number(statistics.median(values)) if values else "failed",
                _range(values),
                str(len(values)),
                f"{number(statistics.median(ratios))} ({_range(ratios)})".removesuffix(" ()")
                if ratios
                else "",
                row.note,
            ]
        )
    used = [i for i in range(6) if i < 2 or any(line[i] for line in lines[1:])]
    if used[-1] != 5:
        used.append(5)
        lines[0][5] = ""
    return [[line[i] for i in used] for line in lines]


def _range(values: list[float]) -> str:
    if len(values) < 2:
        return ""
    return f"{number(min(values))} – {number(max(values))}"


def number(value: float) -> str:
    """Three digits that count.

    >>> [number(0.01234), number(12.34), number(12345.0)]
    ['0.0123', '12.3', '12,345']
    """
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{float(f'{value:.3g}'):g}"
