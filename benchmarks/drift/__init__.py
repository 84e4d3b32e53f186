"""How quickly drift is measured: 20 columns from Parquet, beside others and the bare scan.

Every measurement is a process of its own. Its time is that of the work on the current rows, reading
included; what is fitted to the reference beforehand, and imports, are left out for everybody. Ours
reads its reference from a bundle's file; the others must hold theirs in memory.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import peers
import report
from options import Options, cache
from processes import PYTHON, clean_environment

from drift import looks

HERE = Path(__file__).parent
REFERENCE = 1_000_000
SIZES = {"1m": 1_000_000, "10m": 10_000_000, "100m": 100_000_000}
LARGEST = "100m"
MEMORY = 3_000_000  # rows above which those that hold all rows in memory several times are left out
OURS, SCAN = "holdfast", "bare Parquet scan (Polars)"
SCRIPTS = {
    SCAN: ("scan.py", ()),
    OURS: ("ours.py", ()),
    "holdfast, without pairs of columns": ("ours.py", ("alone",)),
    "holdfast, by the hour": ("ours.py", ("hours",)),
    "scipy (KS, χ²)": ("peer_scipy.py", ()),
}
PEERS = ("evidently", "nannyml", "whylogs")
LONGEST = 1_800.0


def measure(options: Options, work: Path) -> report.Report:
    notes = [
        f"Reference: {REFERENCE:,} rows. Not one column of the current rows has drifted.",
        "One window of all rows, except by the hour: 720 hours, thirty blocks of a day.",
        "holdfast also counts the pairs of columns, which no other does; it is shown without, too.",
    ]
    tables: list[report.Table] = []
    for name in _sizes(options):
        rows = 20_000 if options.quick else SIZES[name]
        found, said = _size(rows, options, work)
        tables += found
        notes += said
    tables.append(looks.measure(options))
    return report.Report(
        name="drift",
        about="Drift of 14 numeric and 6 categorical columns; and a look at many models at once.",
        tables=tables,
        notes=list(dict.fromkeys(notes)),
    )


def _sizes(options: Options) -> list[str]:
    """A hundred million rows take 17 GB of disk and long: only when asked for by name."""
    return [
        name for name in SIZES if name in options.only or (not options.only and name != LARGEST)
    ]


def _size(rows: int, options: Options, work: Path) -> tuple[list[report.Table], list[str]]:
    known = min(rows, REFERENCE)
    folders = [_written(known, 1, work), _written(rows, 2, work)]
    frozen = work / f"reference-{rows}.json"
    subprocess.run([PYTHON, str(HERE / "freeze.py"), str(folders[0]), str(frozen)], check=True)
    lines = {label: _Line(PYTHON, *script) for label, script in SCRIPTS.items()}
    for label in lines:
        if label.startswith(OURS):
            lines[label].reference = frozen
    notes = []
    if rows > 10 * MEMORY:
        lines.pop("scipy (KS, χ²)")
    if rows <= MEMORY:
        for product in PEERS:
            python, said = peers.environment(product, options)
            notes += said
            if python is not None:
                lines[product] = _Line(str(python), f"peer_{product}.py", ())
    else:
        notes.append(f"Those that hold all rows in memory are measured up to {MEMORY:,} rows only.")
    seconds: dict[str, list[float | None]] = {label: [] for label in lines}
    memory: dict[str, list[float | None]] = {label: [] for label in lines}
    for _ in range(options.rounds):
        for label, line in lines.items():
            took, peak, why = line.run(folders)
            seconds[label].append(took)
            memory[label].append(peak)
            if why:
                notes.append(f"{label} at {rows:,} rows: {why}")
    return [
        report.Table(
            title=f"{rows:,} rows: time", unit="s", base=SCAN,
            rows=[report.Row(label, values) for label, values in seconds.items()],
        ),
        report.Table(
            title=f"{rows:,} rows: peak memory of the process", unit="MB", base=OURS,
            rows=[report.Row(label, values) for label, values in memory.items()],
        ),
    ], notes  # fmt: skip


class _Line:
    """One script in one environment."""

    def __init__(self, python: str, script: str, arguments: tuple[str, ...]) -> None:
        self.reference: Path | None = None
        self._command = [python, str(HERE / script)]
        self._arguments = list(arguments)

    def run(self, folders: list[Path]) -> tuple[float | None, float | None, str]:
        """Seconds, megabytes, and why there are none."""
        env = clean_environment(DO_NOT_TRACK="1", NML_DISABLE_USAGE_LOGGING="1")
        try:
            done = subprocess.run(
                [
                    *self._command, str(self.reference or folders[0]), str(folders[1]),
                    *self._arguments,
                ],
                env=env, check=False,
                capture_output=True, text=True, timeout=LONGEST,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None, None, f"not done after {LONGEST:.0f} s"
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            return None, None, said[-1][:300] if said else f"ended with {done.returncode}"
        told = json.loads(done.stdout.strip().splitlines()[-1])
        return told["seconds"], told["mb"], ""


def _written(rows: int, seed: int, work: Path) -> Path:
    """The rows of a size, kept in the cache: they take longer to make than to measure."""
    small = rows < REFERENCE
    folder = (work if small else cache()) / f"drift-rows-{rows}-{seed}"
    if not folder.exists():
        print(f"    writing {rows:,} rows to {folder}")
        draft = folder.with_name(f"{folder.name}-draft-{work.name}")
        subprocess.run(
            [PYTHON, str(HERE / "data.py"), str(draft), str(rows), str(seed)], check=True
        )
        draft.rename(folder)
    return folder
