"""How columns and files are named in errors."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from holdfast.errors import DataError


def missing_column(name: str, known: Sequence[str], where: str) -> DataError:
    """The error for a column that is not there, with the nearest one that is.

    >>> print(missing_column("arrival", ["arrivals", "b"], "f.csv"))
    f.csv has no column 'arrival' (data.missing_column). Did you mean 'arrivals'?
    """
    near = difflib.get_close_matches(name, known, n=1)
    fix = f"Did you mean '{near[0]}'?" if near else f"It has {one_of(known)}."
    return DataError("data.missing_column", f"{where} has no column '{name}'", fix)


def one_of(names: Iterable[str], most: int = 5) -> str:
    """Up to ``most`` names, and how many more there are.

    >>> one_of(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    listed = list(names)
    text = ", ".join(f"'{name}'" for name in listed[:most])
    return f"{text} and {len(listed) - most} more" if len(listed) > most else text
