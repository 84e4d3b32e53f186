"""Broken inputs, seen in the counts alone: nulls, frozen feeds, foreign values, changed units.

Hard breaks page: what arrives is not what the model was made for, whatever its quality. They ask
for so much that no season does it: half of the rows null or unseen, a value that does not move at
all, or nine in ten beyond the range from one block to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.monitoring.cells import outside
from holdfast.monitoring.drift import run_start
from holdfast.monitoring.findings import day, finding_id
from holdfast.monitoring.grouping import effect_of
from holdfast.monitoring.merge import Blocks, counts_of
from holdfast.records import Bins, Finding, Reference, Spell, joined

SOFT = 0.05
HARD = 0.5
ALMOST_ALL = 0.9
CALM = 0.25
MOSTLY = 0.95
ONE_CELL = 0.999
CHANCE = 0.01
UNIT_RANK = 0.7
UNIT_RATIO = np.log(1.6)
_FEW = 30

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Clause(NamedTuple):
    """One rule on one column over N blocks; ``usual`` is its value in the reference."""

    rule: str
    value: Floats
    usual: float
    soft: Flags
    hard: Flags
    words: str


def contract_findings(
    reference: Reference,
    blocks: Blocks,
    slices: Mapping[str, Blocks] | None = None,
    *,
    model: str,
    version: int,
    minimum: int,
) -> Iterator[Finding]:
    """The clauses broken in the last complete block.

    Args:
        reference: what the columns looked like.
        blocks: consecutive blocks, without slices.
        slices: slice key → its blocks: a feed by airport that is frozen has one value an airport,
            and only its slices show that.
        model: whose predictions they are.
        version: whose predictions they are.
        minimum: fewest rows of a block.
    """
    for bins, clause, broken in _broken(reference, blocks, slices or {}, minimum):
        start = run_start(broken)
        if start is not None:
            at = blocks.starts[-1] + blocks.length
            rows = int(blocks.counts[bins.column][start:].sum())
            yield _finding(
                bins, clause, blocks.starts[start], at, rows, model=model, version=version
            )


def broken_spells(
    reference: Reference,
    blocks: Blocks,
    slices: Mapping[str, Blocks] | None = None,
    *,
    minimum: int,
) -> tuple[Spell, ...]:
    """The times of hard breaks, past ones too, in order; what overlaps is one.

    A spell is the whole run of blocks in which a clause is broken, if it is broken hard in any of
    them: that a value is frozen or in another unit shows only after some blocks, and the blocks
    before were no better.

    Args:
        reference: as for :func:`contract_findings`.
        blocks: likewise.
        slices: likewise.
        minimum: fewest rows of a block.
    """
    found: list[Spell] = []
    for bins, clause, broken in _broken(reference, blocks, slices or {}, minimum):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], broken, [False]]).astype(np.int8)))
        for start, end in edges.reshape(-1, 2).tolist():
            if (clause.hard & broken)[start:end].any():
                until = blocks.starts[end - 1] + blocks.length
                why = f"{clause.words} in '{bins.column}'"
                found.append(Spell(start=blocks.starts[start], end=until, why=why))
    return joined(found)


def _broken(
    reference: Reference, blocks: Blocks, slices: Mapping[str, Blocks], minimum: int
) -> Iterator[tuple[Bins, Clause, Flags]]:
    """Each clause of each column with the blocks, of enough rows, in which it is broken."""
    known = counts_of(reference.summaries[0])
    for bins in reference.bins:
        counts, before = blocks.counts[bins.column], known[bins.column]
        enough = counts.sum(axis=1) >= minimum
        for clause in (
            *_share_clauses(bins, before, counts),
            _constant(before, _stuck(reference, bins, counts, slices)),
            *_unit(reference, bins, before, counts),
        ):
            yield bins, clause, (clause.soft | clause.hard) & enough


def _share_clauses(
    bins: Bins, before: NDArray[np.int64], counts: NDArray[np.int64]
) -> list[Clause]:
    """Nulls, and values outside of what the reference had."""
    n = np.maximum(counts.sum(axis=1), 1)
    total = max(int(before.sum()), 1)
    nulls = counts[:, -1] / n
    usual = float(before[-1]) / total
    result = [_share_clause("null", nulls, usual, n, "of the values are null")]
    below, above = outside(bins)
    beyond = counts[:, sorted({below, above})].sum(axis=1) / n
    if bins.kind == "categorical":
        words = "of the values were never seen before"
        return [*result, _share_clause("unseen", beyond, 0.0, n, words)]
    words = "of the values lie outside of the range of the held-out rows"
    clause = _share_clause("range", beyond, 0.0, n, words)
    return [*result, clause._replace(hard=_jumped(beyond, beyond >= ALMOST_ALL))]


def _share_clause(
    rule: str, value: Floats, usual: float, rows: NDArray[np.int64], words: str
) -> Clause:
    low = value - 3 * np.sqrt(np.maximum(value * (1 - value), 1 / rows) / rows)
    soft = low > max(usual + SOFT, 2 * usual)
    return Clause(rule, value, usual, soft, low > usual + HARD * (1 - usual), words)


def _jumped(value: Floats, flags: Flags) -> Flags:
    """Flags of a run that is at least two blocks long and began from calm, not by degrees.

    A season creeps beyond the held-out range; a changed unit is there from one block to the next.
    """
    result = np.zeros_like(flags)
    start = -1
    for i, flag in enumerate(flags):
        if not flag:
            start = -1
            continue
        start = i if start < 0 else start
        result[i] = i > start and (start == 0 or value[start - 1] < CALM)
    return result


def _constant(before: NDArray[np.int64], stuck: Flags) -> Clause:
    """All values in one cell for so many blocks that chance does not explain it.

    A block counts as one draw only, since a whole dry day has one value of rain: with a share p of
    the reference in its fullest cell, p^k ≤ 1 % asks for k blocks.
    """
    usual = _fullest(before)
    share, never = np.where(stuck, 1.0, 0.0), np.zeros(stuck.size, dtype=np.bool_)
    words = "of the values are one and the same"
    if usual >= MOSTLY:
        return Clause("constant", share, usual, never, never, words)
    needed = max(int(np.ceil(np.log(CHANCE) / np.log(max(usual, 1e-6)))), 1)
    runs = np.cumsum(~stuck)
    long = np.bincount(runs, weights=stuck, minlength=1)[runs] >= needed
    return Clause("constant", share, usual, never, stuck & long, words)


def _stuck(
    reference: Reference, bins: Bins, counts: NDArray[np.int64], slices: Mapping[str, Blocks]
) -> Flags:
    """(N,) whether a block has one value, or one in every value of a slice column.

    Slices in which the column never varied say nothing, such as a column in its own slices.
    """
    stuck = _one_cell(bins, counts)
    varied: dict[str, list[Flags]] = {}
    for summary in reference.summaries:
        if summary.slice in slices:
            name = summary.slice.partition("=")[0]
            flags = _one_cell(bins, slices[summary.slice].counts[bins.column])
            constant = _fullest(counts_of(summary)[bins.column]) >= MOSTLY
            varied.setdefault(name, []).append(flags & (not constant))
    for parts in varied.values():
        stuck = stuck | np.all(parts, axis=0)
    return stuck


def _fullest(counts: NDArray[np.int64]) -> float:
    """Share of the fullest cell among the values that are not null; 1 when there are none."""
    filled = counts[:-1]
    total = int(filled.sum())
    return float(filled.max()) / total if total else 1.0


def _one_cell(bins: Bins, counts: NDArray[np.int64]) -> Flags:
    """(N,) whether one cell has all values; not the open cells beyond the range, which are wide."""
    filled = counts[:, :-1]
    rows = filled.sum(axis=1)
    inner = filled.copy()
    inner[:, list(outside(bins))] = 0
    return np.asarray((inner.max(axis=1, initial=0) >= ONE_CELL * rows) & (rows >= _FEW))


def _unit(
    reference: Reference, bins: Bins, before: NDArray[np.int64], counts: NDArray[np.int64]
) -> Iterator[Clause]:
    """Values that moved past most of the reference by a factor: another unit."""
    if bins.kind == "categorical" or bins.column == reference.bins[0].column:
        return
    middles = _middles(bins)
    usual = _mean(before[None, :], middles)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(np.log(_mean(counts, middles) / usual))
    rank = effect_of(bins, before, counts).value
    floor = max(UNIT_RANK, reference.usual.get(bins.column, 0.0) + 0.2)
    present = counts[:, :-1].sum(axis=1) >= _FEW
    moved = (rank > floor) & ~(ratio < UNIT_RATIO) & present
    words = "of the way beyond the held-out rows, as after a change of unit"
    never = np.zeros(len(counts), dtype=np.bool_)
    yield Clause("unit", rank, 0.0, never, _jumped(rank - floor + 2 * CALM, moved), words)


def _middles(bins: Bins) -> Floats:
    """A value for each cell that is not null; the outer two stand at the range's ends."""
    edges = np.asarray(bins.edges) if bins.edges else np.zeros(1)
    between = (edges[1:] + edges[:-1]) / 2
    middles = np.concatenate([edges[:1], between, edges[-1:], bins.spikes])
    return middles[: bins.cells - 1]


def _mean(counts: NDArray[np.int64], middles: Floats) -> Floats:
    filled = counts[:, :-1]
    return np.asarray(filled @ middles / np.maximum(filled.sum(axis=1), 1))


def _finding(
    bins: Bins,
    clause: Clause,
    since: datetime,
    at: datetime,
    rows: int,
    *,
    model: str,
    version: int,
) -> Finding:
    subject = f"{bins.column}.{clause.rule}"
    hard = bool(clause.hard[-1])
    value = float(clause.value[-1])
    return Finding(
        id=finding_id(model, version, "contract", subject, since),
        model=model,
        version=version,
        kind="contract",
        subject=subject,
        pages=hard,
        since=since,
        at=at,
        sentence=(
            f"Since {day(since)}, {value:.0%} {clause.words} in '{bins.column}'"
            f" (held-out rows: {clause.usual:.0%})."
        ),
        value=value,
        reference=clause.usual,
        rows=rows,
    )
