"""Helpers for behavioural tests: invariance, direction, minimum functionality.

The three kinds of Ribeiro et al., "Beyond accuracy: behavioral testing of NLP models" (CheckList,
arXiv 2005.04118). They are plain functions for plain pytest functions; ``model`` is the fixture of
:mod:`holdfast.testing.plugin`, or anything else that answers ``predict(rows)`` with a frame::

    def test_the_name_of_the_carrier_changes_little(model):
        check_invariance(model, FLIGHTS, {"carrier": "??"}, within=0.15)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import pandas as pd

Rows = Sequence[Mapping[str, Any]] | pd.DataFrame
Change = Mapping[str, Any] | Callable[[pd.DataFrame], pd.DataFrame]
"""New values (or functions of the old one) by column, or a function of the whole frame."""

_SHOWN = 3


class Predicts(Protocol):
    """What is tested."""

    def predict(self, rows: Any) -> pd.DataFrame:
        """One line of ``prediction`` (and ``probability``) a row."""
        ...


def check_invariance(
    model: Predicts, rows: Rows, change: Change, *, within: float = 0.0, column: str | None = None
) -> None:
    """What must not matter does not matter: no answer moves by more than ``within``.

    Args:
        model: what is tested.
        rows: features.
        change: what must not matter.
        within: how far an answer may move.
        column: of the answers; ``probability`` if there is one, else ``prediction``.

    Raises:
        AssertionError: with the rows that moved most.
    """
    before, after = _answers(model, rows, change, column)
    if pd.api.types.is_numeric_dtype(before) and not pd.api.types.is_bool_dtype(before):
        _hold(rows, before, after, (after - before).abs() <= within, f"stay within {within:g}")
    else:
        _hold(rows, before, after, before == after, "stay the same")


def check_direction(
    model: Predicts,
    rows: Rows,
    change: Change,
    direction: Literal["up", "down"],
    *,
    by: float = 0.0,
    slack: float = 0.0,
    column: str | None = None,
) -> None:
    """What must matter moves every answer the right way, and on average by at least ``by``.

    Args:
        model: what is tested.
        rows: features.
        change: what must matter.
        direction: where the answers must go.
        by: how far they must move on average.
        slack: how far a single answer may go the wrong way.
        column: of the answers; ``probability`` if there is one, else ``prediction``.

    Raises:
        AssertionError: with the rows that moved the wrong way, or how far all moved.
    """
    before, after = _answers(model, rows, change, column)
    moved = (after - before) if direction == "up" else (before - after)
    _hold(rows, before, after, moved >= -slack, f"go {direction}")
    mean = float(moved.mean())
    if mean < by:
        raise AssertionError(
            f"the answers must go {direction} by {by:g} on average, but went by {mean:.4g}"
        )


def check_minimum(
    model: Predicts,
    cases: Sequence[tuple[Mapping[str, Any], Any]],
    *,
    share: float = 1.0,
    within: float = 0.0,
) -> None:
    """The model gets simple cases right, of which anybody would know the answer.

    Args:
        model: what is tested.
        cases: features and the prediction they must get.
        share: of the cases that must be right.
        within: how far a predicted number may be off.

    Raises:
        AssertionError: with the cases it got wrong.
    """
    rows = pd.DataFrame([dict(features) for features, _ in cases])
    found = model.predict(rows)["prediction"]
    wanted = pd.Series([answer for _, answer in cases], index=found.index)
    number = pd.api.types.is_numeric_dtype(wanted) and not pd.api.types.is_bool_dtype(wanted)
    right = (found - wanted).abs() <= within if number else found == wanted
    if right.mean() < share:
        wrong = [
            f"{rows.iloc[i].to_dict()}: {found.iloc[i]!r} instead of {wanted.iloc[i]!r}"
            for i in range(len(rows))
            if not right.iloc[i]
        ]
        raise AssertionError(
            f"{int(right.sum())} of {len(rows)} simple cases are right, "
            f"{share:.0%} must be: {'; '.join(wrong[:_SHOWN])}"
        )


def _answers(
    model: Predicts, rows: Rows, change: Change, column: str | None
) -> tuple[pd.Series[Any], pd.Series[Any]]:
    frame = _frame(rows)
    if not len(frame):
        raise AssertionError("there are no rows to test with")
    changed = _changed(frame, change)
    if changed.equals(frame):
        raise AssertionError("the change changes nothing, so this test could not fail")
    answers = [model.predict(each).reset_index(drop=True) for each in (frame, changed)]
    name = column or ("probability" if "probability" in answers[0] else "prediction")
    return answers[0][name], answers[1][name]


def _frame(rows: Rows) -> pd.DataFrame:
    return rows if isinstance(rows, pd.DataFrame) else pd.DataFrame([dict(row) for row in rows])


def _changed(frame: pd.DataFrame, change: Change) -> pd.DataFrame:
    if callable(change):
        return change(frame.copy())
    unknown = [name for name in change if name not in frame]
    if unknown:
        raise AssertionError(f"the rows have no column '{unknown[0]}' to change")
    return frame.assign(
        **{
            name: frame[name].map(new)
            if callable(new)
            else pd.Series([new] * len(frame), frame.index)
            for name, new in change.items()
        }
    )


def _hold(
    rows: Rows,
    before: pd.Series[Any],
    after: pd.Series[Any],
    good: pd.Series[Any],
    must: str,
) -> None:
    if good.all():
        return
    frame = _frame(rows).reset_index(drop=True)
    bad = good.index[~good.astype(bool)]
    if pd.api.types.is_numeric_dtype(before) and not pd.api.types.is_bool_dtype(before):
        bad = (after - before).abs()[bad].sort_values(ascending=False).index
    shown = [
        f"{frame.loc[i].to_dict()}: {before[i]} became {after[i]}" for i in bad[:_SHOWN].tolist()
    ]
    raise AssertionError(f"{len(bad)} of {len(frame)} answers do not {must}: {'; '.join(shown)}")
