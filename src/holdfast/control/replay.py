"""The page of a replay: one HTML file that holds all it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from markupsafe import Markup

from holdfast.control.replay_chart import Course, replay_chart, thinned
from holdfast.control.templating import standalone
from holdfast.control.words import loss, number
from holdfast.loop.replay.results import Outcome, Result

WIDE, NARROW = 1080, 420
KINDS = {
    "loop": "the loop: monitored, retrained when needed, judged, released step by step",
    "scheduled": "retrained and released by the clock, without monitor and gate",
    "without": "the first version, left alone",
    "watched": "an existing model's predictions, monitored",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A course with what the table says of it.

    Args:
        colour: which of the chart's colours it has.
        noticed: harms that were found within them, of all, in words.
        gain: loss against the course that was never retrained; None for that one.
        changed: what its policy changes, in words.
    """

    outcome: Outcome
    colour: int
    what: str
    noticed: str
    delay: str
    gain: float | None
    changed: str

    @property
    def right(self) -> int:
        """Pages that were right."""
        return sum(page.truth == "true" for page in self.outcome.pages)

    @property
    def wrong(self) -> int:
        """Pages that were wrong."""
        return sum(page.truth == "false" for page in self.outcome.pages)

    @property
    def monitored(self) -> bool:
        """Whether anybody would have been told anything."""
        return self.outcome.kind in ("loop", "watched")


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """What the template of a replay knows.

    Args:
        at: when the page was made.
        sentences: the answer in short.
        wide: chart for wide windows; ``narrow`` for telephones.
        lines: the courses.
        judged: words for the truth of a page.
    """

    title: str
    at: datetime
    result: Result
    sentences: tuple[str, ...]
    wide: Markup
    narrow: Markup
    grain: str
    lines: tuple[Line, ...]
    judged: dict[str, str]
    outcomes: dict[str, str]


def page(result: Result, series: pl.DataFrame, at: datetime) -> str:
    """A replay as one HTML file.

    Args:
        result: what came of it.
        series: quality over time, as in ``series.parquet``.
        at: the time now.
    """
    drawn = [
        Course(one, place, series.filter(pl.col("course") == one.name).sort("start"))
        for place, one in enumerate(result.courses)
    ]
    wide, grain = thinned(drawn, 110)
    narrow, _ = thinned(drawn, 45)
    lines = tuple(_line(one, place, result) for place, one in enumerate(result.courses))
    return standalone(
        "replay.html",
        ReplayPage(
            title=f"Replay of {result.model}",
            at=at,
            result=result,
            sentences=tuple(_sentences(result)),
            wide=replay_chart(wide, result, width=WIDE),
            narrow=replay_chart(narrow, result, width=NARROW),
            grain=grain,
            lines=lines,
            judged={"true": "right", "false": "wrong", "unknown": "not known"},
            outcomes=_OUTCOMES,
        ),
    )


_OUTCOMES = {
    "live": "went live",
    "refused": "refused by the gate",
    "stopped": "stopped on its way live",
    "taken_back": "live, then taken back",
    "waiting": "on its way when the replay ended",
    "failed": "failed",
}


def _line(one: Outcome, place: int, result: Result) -> Line:
    plain = _plain(result.courses)
    found = [harm for harm in one.harms if harm.delay_hours is not None]
    delays = sorted(harm.delay_hours or 0.0 for harm in found)
    gain = None
    if plain is not None and one is not plain and one.loss is not None and plain.loss is not None:
        gain = one.loss - plain.loss
    return Line(
        outcome=one,
        colour=place % 6,
        what=KINDS[one.kind],
        noticed=f"{len(found)} of {len(one.harms)}" if one.harms else "none to notice",
        delay=f"{delays[len(delays) // 2]:,.0f} h" if delays else "–",
        gain=gain,
        changed="; ".join(
            f"[{table}] {key} = {value}" for table, keys in one.policy.items()
            for key, value in keys.items()
        ),
    )  # fmt: skip


def _plain(courses: Sequence[Outcome]) -> Outcome | None:
    return next((one for one in courses if one.kind == "without"), None)


def _sentences(result: Result) -> list[str]:
    plain = _plain(result.courses)
    loops = [one for one in result.courses if one.kind in ("loop", "watched")]
    said = []
    for one in loops:
        name = one.name[:1].upper() + one.name[1:]
        pages = len(one.pages)
        wrong = sum(page.truth == "false" for page in one.pages)
        told = "nobody would have been woken" if not pages else (
            f"somebody would have been woken {'once' if pages == 1 else f'{pages} times'}, "
            f"{'never' if not wrong else number(wrong)} for nothing"
        )  # fmt: skip
        if plain is not None and one.loss is not None and plain.loss is not None:
            change = one.loss - plain.loss
            how = "lower" if change < 0 else "higher"
            said.append(
                f"{name}, the loss is {loss(abs(change))} {how} than with the first version left "
                f"alone ({loss(one.loss)} instead of {loss(plain.loss)}), and {told}."
            )
        else:
            said.append(f"{name}, {told}.")
    return said
