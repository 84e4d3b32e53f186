"""The clauses of the data contract on one column: each yields the breaches it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import polars as pl

from holdfast.data.naming import one_of
from holdfast.data.profile import MINIMUM, Day, newest_run
from holdfast.data.schema import type_name, width_of
from holdfast.data.units import unit_change
from holdfast.records import Breach, ColumnContract

NULLS_HARD = 0.5  # growth of the share of nulls, in points
NULLS_SOFT = 0.05
UNSEEN_SHARE = 0.05
RANGE_TOLERANCE = 0.25  # of the reference's range


class Observed(NamedTuple):
    """A column of newer rows beside its contract.

    Args:
        contract: what the column looked like.
        values: (n,) the column, rows by time.
        times: (n,) time of each row.
        days: the column by day.
        reference_end: latest time of the reference.
    """

    contract: ColumnContract
    values: pl.Series
    times: pl.Series
    days: Sequence[Day]
    reference_end: datetime | None

    def breach(self, rule: str, sentence: str, *, hard: bool) -> Breach:
        """A breach of this column."""
        return Breach(column=self.contract.name, rule=rule, hard=hard, sentence=sentence)


Clause = Callable[[Observed], Iterator[Breach]]


def type_kept(seen: Observed) -> Iterator[Breach]:
    """The column has the type of the reference, and vectors its width. Whole numbers are fine where
    numbers were.
    """
    was, now = seen.contract.type, type_name(seen.values.dtype)
    if seen.values.null_count() == seen.values.len():
        return
    if was == now == "vector":
        before, width = seen.contract.width, width_of(seen.values.dtype)
        if before != width:
            sentence = f"'{seen.contract.name}' had {before} numbers a row and now has {width}"
            yield seen.breach("type", sentence, hard=True)
    if was == now:
        return
    if seen.contract.label and {was, now} == {"long", "double"}:
        return
    if was == "double" and now == "long":
        return
    if was == "long" and now == "double" and bool((seen.values.drop_nulls() % 1 == 0).all()):
        return  # whole numbers that nulls made fractional
    yield seen.breach("type", f"'{seen.contract.name}' was {was} and is now {now}", hard=True)


def nulls_bounded(seen: Observed) -> Iterator[Breach]:
    """Nulls are about as frequent as they were, over all rows and on the newest day."""
    if seen.contract.label or seen.values.len() < MINIMUM:
        return
    share, before = seen.values.null_count() / seen.values.len(), seen.contract.null_share
    name = seen.contract.name
    # A day may be worse than the whole, so it is held against the worst day.
    newest = seen.days[-1].null_share if seen.days else 0.0
    if share - before > NULLS_HARD:
        sentence = f"'{name}' is null in {share:.0%} of the rows, and was in {before:.0%}"
        yield seen.breach("null_share", sentence, hard=True)
    elif newest - max(seen.contract.null_day, before) > NULLS_HARD:
        sentence = (
            f"'{name}' is null in {newest:.0%} of the newest day, and was in at most "
            f"{seen.contract.null_day:.0%} of any day"
        )
        yield seen.breach("null_share", sentence, hard=True)
    elif share > 2 * before + NULLS_SOFT and share > seen.contract.null_day:
        sentence = f"'{name}' is null in {share:.0%} of the rows, and was in {before:.0%}"
        yield seen.breach("null_share", sentence, hard=False)


def still_varies(seen: Observed) -> Iterator[Breach]:
    """The column did not freeze: no value stood over four times as long as in the reference."""
    contract = seen.contract
    if contract.constant or not contract.run_rows:
        return
    run = newest_run(seen.times, seen.values)
    longer = run.rows > 4 * contract.run_rows and run.seconds > 4 * contract.run_seconds
    if run.rows >= MINIMUM and longer:
        sentence = (
            f"'{contract.name}' has had one value for the newest {run.rows} rows; it never kept "
            f"one for more than {contract.run_rows}"
        )
        yield seen.breach("constant", sentence, hard=True)


def range_kept(seen: Observed) -> Iterator[Breach]:
    """Numbers stay in the reference's range and a quarter of it beyond each end."""
    contract = seen.contract
    if contract.low is None or contract.high is None or not seen.values.dtype.is_numeric():
        return
    slack = RANGE_TOLERANCE * (contract.high - contract.low)
    low, high = contract.low - slack, contract.high + slack
    beyond = seen.values.filter((seen.values < low) | (seen.values > high))
    if beyond.len():
        sentence = (
            f"{beyond.len()} of {seen.values.len()} values of '{contract.name}' are far from the "
            f"range {contract.low:.4g} to {contract.high:.4g}, such as {beyond[0]:.4g}"
        )
        yield seen.breach("range", sentence, hard=False)


def categories_known(seen: Observed) -> Iterator[Breach]:
    """At most 5 % of the texts were never seen."""
    if not seen.contract.categories or seen.values.dtype != pl.String:
        return
    known = seen.values.drop_nulls()
    unseen = known.filter(~known.is_in(seen.contract.categories))
    if unseen.len() > UNSEEN_SHARE * known.len():
        share = unseen.len() / known.len()
        frequent = unseen.value_counts(sort=True).get_column(unseen.name)
        sentence = (
            f"{share:.0%} of '{seen.contract.name}' has values the reference never had: "
            f"{one_of(frequent)}"
        )
        yield seen.breach("unseen", sentence, hard=False)


def unit_kept(seen: Observed) -> Iterator[Breach]:
    """Numbers are in the unit of the reference."""
    if not seen.values.dtype.is_numeric() or seen.values.len() < MINIMUM:
        return
    how = unit_change(seen.contract, seen.values, seen.days, seen.reference_end)
    if how is not None:
        yield seen.breach("unit", f"'{seen.contract.name}' changed its unit: {how}", hard=True)


CLAUSES: tuple[Clause, ...] = (
    nulls_bounded, still_varies, range_kept, categories_known, unit_kept,
)  # fmt: skip
