"""Silence: a version that was asked all the time is asked nothing any more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from holdfast.monitoring.findings import day, finding_id
from holdfast.monitoring.merge import Blocks
from holdfast.records import Finding

_SILENT = 2  # blocks without predictions, beyond the longest gap there has been
_HISTORY = 3  # blocks with predictions before silence means anything


def silent(seen: Blocks, model: str, version: int) -> Iterator[Finding]:
    """No predictions for longer than there ever was a gap; soft, since callers may rest.

    Args:
        seen: consecutive blocks of all rows.
        model: whose they are.
        version: its number.
    """
    busy = np.flatnonzero(seen.rows > 0)
    if busy.size < _HISTORY:
        return
    usual = int(np.diff(busy).max()) - 1
    silent = len(seen.starts) - 1 - int(busy[-1])
    if silent < usual + _SILENT:
        return
    begun = seen.starts[int(busy[-1]) + 1]
    yield Finding(
        id=finding_id(model, version, "silence", "predictions", begun),
        model=model, version=version, kind="silence", subject="predictions", pages=False,
        since=begun, at=seen.starts[-1] + seen.length,
        sentence=(
            f"Version {version} has answered nothing since {day(begun)};"
            f" it was never still for more than {usual} blocks before."
        ),
        value=float(silent), reference=float(usual),
    )  # fmt: skip
