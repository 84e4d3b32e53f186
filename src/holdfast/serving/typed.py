"""JSON of one signature, decoded and checked in one go.

What is sent by nearly all callers, ``dataframe_split`` with the columns in the signature's order,
is checked by a decoder compiled for that signature: it costs less than decoding without a check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from holdfast.records import Field

Decode = Callable[[bytes], Sequence[tuple[Any, ...]] | None]


def split_decoder(fields: Sequence[Field]) -> Decode:
    """Compiles the decoder of ``{"dataframe_split": {"columns": […], "data": [[…]]}}``.

    Args:
        fields: the inputs of a signature.

    Returns:
        A function from a body to its rows, cells in the signature's order and doubles checked, the
        other cells as they came. ``None`` when the body is anything else, right or wrong: whoever
        reads every form has to look at it.

    >>> decode = split_decoder([Field(name="a", type="double")])
    >>> decode(b'{"dataframe_split": {"columns": ["a"], "data": [[1], [2.5]]}}')
    [(1.0,), (2.5,)]
    >>> decode(b'{"dataframe_split": {"columns": ["a"], "data": [["1"]]}}') is None
    True
    """
    number: dict[bool, Any] = {True: float | None, False: float}
    cells = tuple(number[one.nullable] if one.type == "double" else Any for one in fields)
    names = tuple(Literal[one.name] for one in fields)
    split = msgspec.defstruct(
        "Split",
        [
            ("data", list[tuple[cells]]),  # type: ignore[valid-type]
            ("columns", tuple[names] | msgspec.UnsetType, msgspec.UNSET),  # type: ignore[valid-type]
            ("index", Any, None),
        ],
        forbid_unknown_fields=True,
        gc=False,
    )
    body = msgspec.defstruct(
        "Body", [("dataframe_split", split)], forbid_unknown_fields=True, gc=False
    )
    read = msgspec.json.Decoder(body).decode

    def decode(given: bytes) -> Sequence[tuple[Any, ...]] | None:
        try:
            rows: Sequence[tuple[Any, ...]] = read(given).dataframe_split.data  # type: ignore[attr-defined]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return rows

    return decode
