"""How long the command line takes to say anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

from fixture import HOLDFAST
from options import Options
from processes import PYTHON, clean_environment, timed
from report import Report, Row, Table

COMMANDS = {
    "python -c pass": [PYTHON, "-c", "pass"],
    "python -c 'import click'": [PYTHON, "-c", "import click"],
    "holdfast --help": [*HOLDFAST, "--help"],
    "holdfast train --help": [*HOLDFAST, "train", "--help"],
}
SLOWEST = 8


def measure(options: Options, work: Path) -> Report:
    """Whole processes, in turn; and where the time of the imports goes."""
    values: dict[str, list[float | None]] = {name: [] for name in COMMANDS}
    for command in COMMANDS.values():
        timed(command, cwd=work)  # the files come from the page cache afterwards
    for _ in range(options.count(4 * options.rounds)):
        for name, command in COMMANDS.items():
            values[name].append(1000 * timed(command, cwd=work))
    total, slowest = _imports(work)
    return Report(
        name="startup",
        about="Whole processes of the command line, beside what Python itself needs.",
        tables=[
            Table(
                title="whole process",
                unit="ms",
                rows=[Row(name, list(found)) for name, found in values.items()],
                base="python -c pass",
            ),
            Table(title="slowest imports of holdfast --help, each without those below it",
                  unit="ms", rows=slowest),
        ],
        notes=[(f"All imports of holdfast --help under -X importtime: {total:.0f} ms (one run). "
               "Aim: under 300 ms.")],
    )  # fmt: skip


def _imports(work: Path) -> tuple[float, list[Row]]:
    """Milliseconds of all imports, and the slowest ones, by ``-X importtime``."""
    command = [PYTHON, "-X", "importtime", *HOLDFAST[1:], "--help"]
    done = subprocess.run(
        command, cwd=work, env=clean_environment(), capture_output=True, text=True, check=True
    )
    own: dict[str, float] = {}
    for line in done.stderr.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[0].strip().isdigit():
            own[parts[2].strip()] = int(parts[0]) / 1000
    order = sorted(own, key=lambda name: -own[name])
    return sum(own.values()), [Row(name, [own[name]]) for name in order[:SLOWEST]]
