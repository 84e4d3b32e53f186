"""Runs benchmarks: ``run.py [NAME …] [--peers] [--rounds N] [--quick] [--markdown FILE]``, for
``serving`` also ``[--seconds S] [--only A,B]``, for ``detection`` ``[--jobs N]``.

Nothing is asserted: machines differ. Each result is kept as ``results/NAME.json``, with every
value measured.
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import msgspec
import report
from options import Options

NAMES = (
    "startup", "overhead", "scoring", "serving", "request", "rollback", "memory", "many",
    "overload", "gate", "release", "fleet", "drift", "detection",
)  # fmt: skip


def main() -> int:
    """Measures what was asked for; returns an exit status: 1 when something could not run."""
    asked = _arguments()
    # Ended from outside, it must still end what it has started.
    signal.signal(signal.SIGTERM, _end)
    options = Options(
        rounds=asked.rounds, peers=asked.peers, quick=asked.quick, window=asked.seconds,
        only=tuple(filter(None, asked.only.split(","))), jobs=asked.jobs,
    )  # fmt: skip
    failed = [name for name in asked.names or NAMES if not _run(name, options)]
    if asked.markdown is not None:
        asked.markdown.write_text(report.markdown(_kept()), encoding="utf-8")
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would cut the cleaning up short
    sys.exit(128 + signal.SIGTERM)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs benchmarks; prints tables and ratios.")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(NAMES)}; all by default")
    parser.add_argument("--peers", action="store_true", help="install and measure other products")
    parser.add_argument("--rounds", type=int, default=3, help="how often each thing is measured")
    parser.add_argument(
        "--only", default="", help="of serving: services and models; of drift: 1m, 10m or 100m"
    )
    parser.add_argument("--seconds", type=int, help="length of a window of load")
    parser.add_argument("--jobs", type=int, default=1, help="of detection: processes at once")
    parser.add_argument("--quick", action="store_true", help="only to see that everything runs")
    parser.add_argument("--markdown", type=Path, help="write all kept results as a page")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    return asked


def _run(name: str, options: Options) -> bool:
    print(f"\n--- {name} ---", flush=True)
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as work:
            found = importlib.import_module(name).measure(options, Path(work))
    except Exception:  # noqa: BLE001 (the other benchmarks can still run)
        traceback.print_exc()
        return False
    print(report.text(found))
    print(f"  took {time.monotonic() - began:.0f} s", flush=True)
    if options.kept:
        report.keep(found)
    return True


def _kept() -> list[report.Report]:
    files = [report.RESULTS / f"{name}.json" for name in NAMES]
    return [
        msgspec.json.decode(file.read_bytes(), type=report.Report)
        for file in files
        if file.exists()
    ]


if __name__ == "__main__":
    sys.exit(main())
