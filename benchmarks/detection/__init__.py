"""How monitors are when nothing is wrong, and how soon they find what is.

Ours is the code that runs in production, as shipped. Peers are shown at their defaults, and at the
laxest setting that alarms no more often than the budget on streams of the same kind without a
change; delays are compared at that setting.
"""

from __future__ import annotations

import time
from pathlib import Path

import peers
from options import Options
from report import Report

from detection import promises, tables
from detection.cells import SCRIPTS, Cell, Done, judge
from detection.judge import BUDGET, HORIZON
from detection.scenarios import YEAR, Plan, plans

REMARKS = f"""\
An alarm is a run of days in alarm. A peer's setting is the laxest of its own knob, coming from \
the strict side, that alarms at most {BUDGET:g} times in 30 days on streams of the same kind \
without a change; these streams are others than those with a change. Holdfast is always as shipped.
A change comes after 10 days; day 1 is its first. What is not found within {HORIZON} days is \
missed. Streams in alarm on the day before the change are not judged. Labels come a day late.
Who alarms once in 30 days is in alarm within {HORIZON} days by chance in half of the streams: \
misses of about half are no finding. Holdfast pages only for a loss beyond its tolerance (0.02 of \
the Brier score), and reports drift only beyond an effect of 0.05; what is smaller is missed here.
No setting: even the strictest alarms more often than the budget. –: not measured.
Evidently: the tests its DataDriftPreset chooses, which are checked against the preset's own report.
river's detectors have seen two held-out weeks; on columns, any of them alarms. KSWIN (150 µs a \
value) judges every fourth stream.
NannyML's CBPE watches ROC AUC; Holdfast's estimate and loss are of the Brier score.
"""


def measure(options: Options, work: Path) -> Report:  # noqa: ARG001 (all benchmarks take both)
    """All scenarios; every judgement is kept, so that an ended run goes on where it was."""
    began = time.monotonic()
    families, notes = _families(options)
    with_river = "river" in families
    nulls, unchanged, drifts = plans(quick=options.quick, peers=with_river, rounds=options.rounds)
    cells = [cell for plan in (*drifts, *unchanged, *nulls) for cell in _cells(plan, families)]
    real = [] if options.quick else [Plan(YEAR, 1, 1, knobs=False)]
    cells += [cell for plan in real for cell in _cells(plan, families)]
    done = judge(cells, options.jobs, lambda line: print(f"    {line}", flush=True))
    judged = tables.Judged(done)
    grids = [
        tables.null_pages(judged, nulls), tables.null_windows(judged, nulls),
        promises.measure(options),
        *(tables.found(judged, drifts, given) for given in tables.GIVEN),
        tables.duels(judged, drifts), *(tables.year(judged, one.scenario) for one in real),
        tables.chosen(judged, unchanged),
    ]  # fmt: skip
    spent = f"{len(cells)} judgements in {time.monotonic() - began:.0f} s, {options.jobs} processes"
    return Report(
        name="detection",
        about="False alarms where nothing changes, and the delay at the same number of them.",
        tables=[], grids=grids,
        notes=[*notes, *REMARKS.splitlines(), *_errors(done), f"{spent}, less what was kept."],
    )  # fmt: skip


def _families(options: Options) -> tuple[dict[str, tuple[Path | None, str]], list[str]]:
    """Family → the Python of its environment, and what is installed there."""
    families: dict[str, tuple[Path | None, str]] = {"holdfast": (None, ""), "scipy": (None, "")}
    notes = []
    for name in SCRIPTS:
        python, said = peers.environment(name, options)
        notes += said
        if python is not None:
            families[name] = (python, said[0])
    return families, notes


def _cells(plan: Plan, families: dict[str, tuple[Path | None, str]]) -> list[Cell]:
    return [
        Cell(plan.scenario, seed, family, plan.knobs, python, version)
        for seed in range(plan.streams)
        for family, (python, version) in families.items()
        if family == "holdfast" or seed < plan.by_peers
    ]


def _errors(done: list[Done]) -> list[str]:
    """What peers could not judge, once each with how often."""
    counted: dict[str, int] = {}
    for one in done:
        if one.error:
            counted[one.error] = counted.get(one.error, 0) + 1
    return [f"{error} ({many} streams)" for error, many in counted.items()]
