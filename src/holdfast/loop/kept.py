"""What is read again of a stored look: by the next look, and by those who ask how things are."""

from __future__ import annotations

from datetime import datetime

import msgspec

from holdfast.records import Arming


class Kept(msgspec.Struct, frozen=True):
    """A stored look, as far as anybody but the pages needs it.

    Args:
        until: end of what was looked at.
        arming: how the monitors did in their rehearsal; None in looks of an older Holdfast.
    """

    until: datetime
    arming: Arming | None = None


def read_kept(data: bytes | None) -> Kept | None:
    """The look, if there is one."""
    return None if data is None else _DECODER.decode(data)


# msgspec learns a class on first use, and two threads at once would crash it.
_DECODER = msgspec.json.Decoder(Kept)
