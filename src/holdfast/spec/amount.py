"""How much new data is enough, as the spec says it."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(%|rows?|files?)")


class Amount(NamedTuple):
    """``value`` is a share for ``share``, else a count."""

    value: float
    unit: Literal["share", "rows", "files"]


def parse_amount(text: str) -> Amount:
    """Reads an amount of data.

    >>> parse_amount("20%"), parse_amount("1 file").unit
    (Amount(value=0.2, unit='share'), 'files')

    Raises:
        ValueError: when it is of no such form, or nothing at all.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ValueError(f"'{text}' is not an amount such as 20%, 5000 rows or 1 file")
    if match[2] == "%":
        return Amount(float(match[1]) / 100, "share")
    return Amount(float(match[1]), "rows" if match[2].startswith("row") else "files")
