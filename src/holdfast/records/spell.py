"""A spell: a time in which the inputs were broken."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.records.base import Record, Time


class Spell(Record, frozen=True, kw_only=True):
    """What was wrong and when; rows of such a time are not for training.

    Args:
        start: its first moment; ``end`` is the first moment after it.
        why: what was broken.
        rows: of a dataset version, how many rows were left out for it.
    """

    start: Time
    end: Time
    why: str
    rows: int = 0


def joined(spells: Iterable[Spell]) -> tuple[Spell, ...]:
    """Spells in order of time, those that overlap or touch as one."""
    result: list[Spell] = []
    for one in sorted(spells, key=lambda spell: (spell.start, spell.end, spell.why)):
        if result and one.start <= result[-1].end:
            last = result[-1]
            why = last.why if one.why in last.why else f"{last.why}; {one.why}"
            result[-1] = Spell(start=last.start, end=max(last.end, one.end), why=why)
        else:
            result.append(one)
    return tuple(result)
