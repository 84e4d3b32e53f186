"""What is read again of a stored look: by the next look, and by those who ask how things are."""

from __future__ import annotations

from datetime import datetime

import msgspec

from holdfast.monitoring.estimate import Estimate
from holdfast.monitoring.track import Track
from holdfast.records import Arming


class Kept(msgspec.Struct, frozen=True):
    """A stored look, as far as anybody but the pages needs it.

    Args:
        until: end of what was looked at.
        arming: how the monitors did in their rehearsal; None in looks of an older Holdfast.
        starts: when each block began; ``adapted`` the estimate that was made of it.
        track: how good the estimates were.
        shares: share of the budget of false findings that each block was judged at; none in looks
            of an older Holdfast, which knew no fleet.
    """

    until: datetime
    arming: Arming | None = None
    starts: tuple[datetime, ...] = ()
    adapted: tuple[Estimate, ...] = ()
    track: tuple[Track, ...] = ()
    shares: tuple[float, ...] | None = None

    def estimates(self) -> dict[datetime, Estimate]:
        """The adapted estimates that were made, by the start of their block."""
        both = zip(self.starts, self.adapted, strict=False)
        return {start: one for start, one in both if one.value is not None or one.rows}

    def judged(self) -> dict[datetime, float]:
        """The share that blocks were judged at, by their start."""
        shares = (1.0,) * len(self.starts) if self.shares is None else self.shares
        return dict(zip(self.starts, shares, strict=False))


def read_kept(data: bytes | None) -> Kept | None:
    """The look, if there is one that can be read: the next look is as good as it without."""
    if data is None:
        return None
    try:
        return _DECODER.decode(data)
    except msgspec.ValidationError:
        return None


# msgspec learns a class on first use, and two threads at once would crash it.
_DECODER = msgspec.json.Decoder(Kept)
