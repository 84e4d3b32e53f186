"""What every record shares: immutable, comparable, and JSON in one way only."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Self

import msgspec


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's; everything else is a mistake."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a record cannot hold {type(value).__name__}")


_encoder = msgspec.json.Encoder(order="deterministic", enc_hook=_plain)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable fact. Times are aware UTC datetimes; durations are seconds."""

    def to_json(self) -> bytes:
        """The one JSON form: keys in a fixed order, so equal records have equal bytes."""
        return _encoder.encode(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        result: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_plain)
        return result

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Reads back what :meth:`to_json` wrote; unknown keys of newer versions are ignored.

        Raises:
            msgspec.ValidationError: when the data is not of this kind.
        """
        return msgspec.json.decode(data, type=cls)


def learn() -> None:
    """Makes msgspec learn every record that is imported, while there is one thread.

    It learns a class on first use, and two threads that make it learn the same at once crash the
    interpreter.
    """
    for kind in Record.__subclasses__():
        msgspec.json.Decoder(kind)


def digest(data: bytes) -> str:
    """``sha256:<hex>`` of some bytes.

    >>> digest(b"")[:14]
    'sha256:e3b0c44'
    """
    return "sha256:" + hashlib.sha256(data).hexdigest()


Time = datetime
