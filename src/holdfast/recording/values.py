"""Values as the prediction log and the labels keep them.

Classes and outcomes are text, because one column must hold them for every version of a model:
booleans are ``true`` and ``false``, numbers their shortest exact form. ``truth`` turns them back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from holdfast.spec.types import Task

Value = float | int | bool | str | None

FEATURE = "f_"


def text(value: Value) -> str | None:
    """The text form of one value; None for none and for not-a-number.

    >>> [text(value) for value in (True, 3, 0.5, "a", None)]
    ['true', '3', '0.5', 'a', None]
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if math.isnan(value) else repr(value)


def truth(texts: pl.Series, task: Task, classes: Sequence[bool | int | str] = ()) -> np.ndarray:
    """Turns a column of text forms, without nulls, back into raw labels.

    Returns:
        ``(n,)`` float64 for regression, else an array of the type of ``classes``.

    >>> truth(pl.Series(["true", "false"]), "binary", (False, True))
    array([ True, False])
    """
    if task == "regression":
        return texts.cast(pl.Float64).to_numpy()
    raw = {text(label): label for label in classes}
    values = [raw[value] for value in texts.to_list()]
    return np.array(values, dtype=object if isinstance(classes[0], str) else None)


def series(name: str, values: list[Any]) -> pl.Series:
    """A column with the narrowest type that holds all values; not-a-number becomes null.

    Booleans stay booleans and whole numbers whole numbers; mixed with others they become floats;
    anything mixed with text becomes text. Vectors are lists of floats. Without any value the type
    is Null.
    """
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if kinds == {list}:
        return pl.Series(name, values, dtype=pl.List(pl.Float64))
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if str in kinds:
        if len(kinds) > 1:
            values = [text(value) for value in values]
        return pl.Series(name, values, dtype=pl.String)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int}:
        try:
            return pl.Series(name, values, dtype=pl.Int64)
        except (OverflowError, TypeError):
            pass
    numbers = [None if value is None else float(value) for value in values]
    return pl.Series(name, numbers, dtype=pl.Float64).fill_nan(None)


def vector_text(name: str) -> pl.Expr:
    """A column of vectors as text, such as ``[0.5,1.0]``: how it is kept beside another version's
    column of that name that holds something else.
    """
    numbers = pl.col(name).list.eval(pl.element().cast(pl.String))
    return pl.format("[{}]", numbers.list.join(",")).alias(name)
