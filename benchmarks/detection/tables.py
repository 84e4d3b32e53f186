"""Judgements as tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from report import Grid

from detection.cells import Done
from detection.judge import (
    HORIZON,
    MONTH,
    Delay,
    Rate,
    Track,
    calibrate,
    compare,
    delays,
    incidents,
    rate,
)
from detection.scenarios import Plan, Scenario

GIVEN = {
    "inputs": ("holdfast, drift", "KS, Bonferroni", "KS, Benjamini–Hochberg",
               "Evidently preset, any column", "Evidently preset, half of the columns",
               "NannyML, univariate", "river ADWIN, columns", "river Page–Hinkley, columns"),
    "scores": ("holdfast, estimate", "NannyML, CBPE"),
    "labels": ("holdfast, loss", "river ADWIN, errors", "river DDM, errors",
               "river KSWIN, errors", "river Page–Hinkley, errors"),
}  # fmt: skip
TITLES = {
    "inputs": "inputs and predictions alone",
    "scores": "quality estimated from the predictions",
    "labels": "errors, once their labels are known",
}
ALL = [name for names in GIVEN.values() for name in names]
PEERS = [name for name in ALL if not name.startswith("holdfast")]


class Judged:
    """All judgements, by scenario and monitor, in the order of the seeds."""

    def __init__(self, done: Sequence[Done]) -> None:
        self.tracks: dict[tuple[Scenario, str], list[Track]] = {}
        for one in sorted(done, key=lambda one: one.cell.seed):
            for name, track in one.tracks.items():
                self.tracks.setdefault((one.cell.scenario, name), []).append(track)

    def of(self, scenario: Scenario, name: str) -> list[Track]:
        """The tracks of a monitor on the streams of a scenario; none when it was not asked."""
        return self.tracks.get((scenario, name), [])

    def told(self, scenario: Scenario, name: str) -> Rate | None:
        """Different findings a month."""
        tracks = self.of(scenario, name)
        told = sum(track.told or 0 for track in tracks)
        return rate(told, scenario.days * len(tracks)) if tracks else None

    def setting(self, scenario: Scenario, name: str) -> int | None:
        """The setting that keeps the budget on streams without a change; None when none does."""
        tracks = self.of(scenario, name)
        if not tracks:
            return None
        if name.startswith("holdfast"):
            return 0
        whole = _whole(tracks)
        return calibrate(whole, scenario.days * len(whole))

    def alarms(self, scenario: Scenario, name: str, place: int | None = None) -> Rate | None:
        """Incidents a month at a setting; at the default when it is None."""
        tracks = self.of(scenario, name)
        if not tracks:
            return None
        seen = _at(tracks, place)
        return rate(sum(map(incidents, seen)), scenario.days * len(seen))

    def delay(self, scenario: Scenario, name: str, place: int | None) -> Delay | None:
        """How soon the change was found at a setting; None when nobody knows."""
        tracks = self.of(scenario, name)
        if not tracks or place is None:
            return None
        return delays(_at(tracks, place), scenario.at_day)


def _whole(tracks: Sequence[Track]) -> list[Track]:
    """Those at all settings: on some streams a monitor is run at its default only."""
    most = max(len(track.settings) for track in tracks)
    return [track for track in tracks if len(track.settings) == most]


def _at(tracks: Sequence[Track], place: int | None) -> list[list[int]]:
    """The days in alarm of each stream, at a setting or by default."""
    if place is None:
        return [track.days[track.usual] for track in tracks]
    return [track.days[place] for track in _whole(tracks)]


def null_pages(judged: Judged, plans: Sequence[Plan]) -> Grid:
    """Ours, as shipped, in every shape of nothing."""
    lines = []
    totals: dict[str, list[float]] = {}
    kinds = ("holdfast, pages", "holdfast, loss", "holdfast, estimate", "holdfast, contract",
             "holdfast, drift")  # fmt: skip
    for plan in plans:
        found = [judged.told(plan.scenario, kind) for kind in kinds]
        for kind, one in zip(kinds, found, strict=True):
            total = totals.setdefault(kind, [0.0, 0.0])
            total[0] += one.events if one else 0
            total[1] += one.months if one else 0
        months = f"{found[0].months:.0f}" if found[0] else ""
        lines.append([plan.scenario.name, months, *map(_or_not, found)])
    everything = [rate(int(events), months * MONTH) for events, months in totals.values()]
    lines.append(["all together", f"{everything[0].months:.0f}", *map(str, everything)])
    return Grid(
        "no change: Holdfast as shipped (budget: 1 page a month), pages and drift findings in 30 "
        "days with 95 % intervals",
        ["streams", "months", "pages", "of measured loss", "of estimated loss (no labels needed)",
         "of broken inputs", "drift (does not page)"],
        lines,
    )  # fmt: skip


def null_windows(judged: Judged, plans: Sequence[Plan]) -> Grid:
    """Everybody at their defaults: the share of days in alarm."""
    names = [*ALL, "holdfast, pages"]
    lines = []
    for name in sorted(names, key=lambda name: not name.startswith("holdfast")):
        cells = []
        for plan in plans:
            tracks = judged.of(plan.scenario, name)
            days = sum(len(track.days[track.usual]) for track in tracks)
            many = plan.scenario.days * len(tracks)
            cells.append(f"{days / many:.0%}" if many else "–")
        if any(cell != "–" for cell in cells):
            lines.append([name, *cells])
    return Grid(
        "no change, everybody at their defaults: days in alarm",
        ["monitor", *(plan.scenario.name for plan in plans)], lines,
    )  # fmt: skip


def chosen(judged: Judged, plans: Sequence[Plan]) -> Grid:
    """What the budget asks of each peer."""
    lines = []
    for plan in plans:
        for name in ALL:
            tracks = judged.of(plan.scenario, name)
            if not tracks:
                continue
            place = judged.setting(plan.scenario, name)
            usual, kept = judged.alarms(plan.scenario, name), "–"
            said = "none keeps the budget"
            if place is not None:
                said = tracks[0].settings[place]
                kept = _or_not(judged.alarms(plan.scenario, name, place))
            default = tracks[0].settings[tracks[0].usual]
            lines.append([plan.scenario.name, name, default, _or_not(usual), said, kept])
    return Grid(
        "settings chosen on streams without a change: the laxest with at most one alarm in 30 days",
        ["streams", "monitor", "default", "alarms a month", "chosen", "alarms a month"],
        lines,
    )


def found(judged: Judged, plans: Sequence[Plan], given: str) -> Grid:
    """Delay and misses at the budget, of all monitors that are given the same."""
    names = [name for name in GIVEN[given] if any(judged.of(p.scenario, name) for p in plans)]
    lines = []
    for plan in plans:
        cells = []
        for name in names:
            place = judged.setting(plan.scenario.null, name)
            one = judged.delay(plan.scenario, name, place)
            if one is not None and one.streams:
                cells.append(f"{one}, missed {one.missed}")
            else:
                cells.append("–" if not judged.of(plan.scenario, name) else "no setting")
        lines.append([plan.scenario.name, *cells])
    return Grid(
        f"{TITLES[given]}: median delay in days at one false alarm a month (95 % interval), misses "
        f"within {HORIZON} days",
        ["change", *names], lines,
    )  # fmt: skip


def duels(judged: Judged, plans: Sequence[Plan]) -> Grid:
    """Ours beside the best peer that keeps the budget, scenario by scenario."""
    lines = []
    for plan in plans:
        for given, (mine, *others) in GIVEN.items():
            ours = judged.delay(plan.scenario, mine, 0)
            sure = _by_design(judged, plan.scenario, mine, 0)
            rivals = []
            for name in others:
                place = judged.setting(plan.scenario.null, name)
                theirs = judged.delay(plan.scenario, name, place)
                if theirs is not None and theirs.streams >= 2:
                    rivals.append((theirs.mean, name, theirs))
                    sure |= _by_design(judged, plan.scenario, name, place)
            if ours is None or not ours.streams or not rivals or not sure:
                continue
            _, name, theirs = min(rivals, key=lambda one: one[:2])
            gap, low, high = compare(ours, theirs)
            verdict = "Holdfast" if low > 0 else "the peer" if high < 0 else "neither"
            lines.append([
                plan.scenario.name, given, f"{ours.mean:.1f}", name, f"{theirs.mean:.1f}",
                _gap(gap, low, high), verdict,
            ])  # fmt: skip
    return Grid(
        "Holdfast beside the best peer at the same budget: mean days to detection (a miss counts "
        f"as {HORIZON + 1}), where anybody finds it sooner than by chance",
        ["change", "given", "Holdfast", "best peer", "its days", "later by (95 % interval)",
         "faster"],
        lines,
    )  # fmt: skip


def _by_design(judged: Judged, scenario: Scenario, name: str, place: int | None) -> bool:
    """Whether a monitor alarms sooner than it would without the change, by chance."""
    found = judged.delay(scenario, name, place)
    chance = judged.delay(scenario.null, name, place)
    return found is not None and chance is not None and compare(found, chance)[1] > 0


def year(judged: Judged, scenario: Scenario) -> Grid:
    """What everybody says about a real year, of which nobody knows the truth."""
    lines = []
    for name in (*ALL, "holdfast, pages"):
        tracks = judged.of(scenario, name)
        if tracks:
            days = tracks[0].days[tracks[0].usual]
            first = str(days[0] + 1) if days else "never"
            share = f"{len(days) / scenario.days:.0%}"
            lines.append([name, first, str(incidents(days)), share])
    return Grid(
        f"the flights of 2013 as they were, {scenario.days} days from mid-April on, defaults",
        ["monitor", "first alarm on day", "incidents", "days in alarm"], lines,
    )  # fmt: skip


def _or_not(one: Rate | None) -> str:
    return "–" if one is None else str(one)


def _gap(gap: float, low: float, high: float) -> str:
    return f"{gap:+.1f} ({low:+.1f} – {high:+.1f})" if math.isfinite(low) else f"{gap:+.1f}"
