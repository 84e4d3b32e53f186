"""Whether a challenger answers later than the champion at the same time.

Only answers that were sent count: what is scored off the request path waits in another queue. Which
version answers a request is chosen by a hash, so requests of the same moment are alike, whoever
answered. Each request of the challenger is paired with the next one of the champion. Both are held
against quantiles of what the champion took shortly before; of the challenger's time the tolerated
factor is forgiven. The difference d = 1[new > factor · q + 1 ms] − 1[old > q] has a mean of at most
0 unless that quantile of the challenger is more than the factor slower. Only the order of times
matters, so heavy tails do no harm, and a burst of load slows both halves of a pair.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from holdfast.statistics.eprocess import mean_log_e, paired_log_e

Floats = NDArray[np.float64]

QUANTILES = (0.5, 0.9, 0.99)
"""What is slower altogether shows at the median soonest; what stalls now and then shows above."""
FLOOR = 0.001
"""Seconds that are always forgiven: of models that take microseconds a multiple is noise."""
BLOCK, WINDOW, FEWEST = 50, 500, 50
"""The quantiles are those of up to 500 requests before a block of 50, of 50 at least."""


class Slower(NamedTuple):
    """What the pairs say: how many there are, and the log e-value that the challenger is slower."""

    pairs: int
    log_e: float


NO_PAIRS = Slower(0, 0.0)


def slower(seconds: Floats, new: NDArray[np.bool_], factor: float) -> Slower:
    """Evidence against "no quantile of the challenger is more than ``factor`` times that of the
    champion". The mean of one e-process a quantile is an e-process itself.

    Args:
        seconds: (n,) time that each request took that was answered, oldest first.
        new: (n,) True where the challenger answered; elsewhere the champion did.
        factor: at least 1.

    >>> took, who = np.full(4000, 0.01), np.arange(4000) % 2 == 0
    >>> slower(took, who, 1.5).log_e <= 0 < slower(np.where(who, 0.03, took), who, 1.5).log_e
    True
    """
    ours, theirs = _pairs(new)
    old = seconds[~new]
    place = np.cumsum(~new)[theirs] - 1  # of the champion's requests
    before = (place - 1) // BLOCK * BLOCK  # a pair's own request is never among those before it
    enough = before >= FEWEST
    ours, theirs, before = ours[enough], theirs[enough], before[enough]
    if not ours.size:
        return NO_PAIRS
    ends, which = np.unique(before, return_inverse=True)
    limits = np.array([np.quantile(old[max(end - WINDOW, 0) : end], QUANTILES) for end in ends])
    processes = []
    for limit in limits[which].T:
        late = (seconds[ours] > factor * limit + FLOOR).astype(float)
        processes.append(paired_log_e(late - (seconds[theirs] > limit), 0.0, "greater"))
    return Slower(int(ours.size), float(mean_log_e(np.stack(processes))[-1]))


def _pairs(new: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the challenger's requests and of the champion's that follow them, each once.

    Where several of one side come in a row, the last of the challenger's and the first of the
    champion's are taken: that choice does not depend on any time.
    """
    turns = np.flatnonzero(new[:-1] & ~new[1:])
    return turns, turns + 1
