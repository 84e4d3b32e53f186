"""How thorough a run is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line said.

    Args:
        rounds: how often each thing is measured, in turn with the others.
        peers: install and measure other products too.
        quick: shortened, to see that everything runs; its numbers mean nothing.
    """

    rounds: int = 5
    peers: bool = False
    quick: bool = False

    def seconds(self, long: float) -> float:
        """A duration, shortened in a quick run."""
        return min(long, 1.0) if self.quick else long

    def count(self, many: int) -> int:
        """A number of repetitions, fewer in a quick run."""
        return min(many, 3) if self.quick else many


def cache() -> Path:
    """Where environments of other products are kept, outside the repository."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "holdfast-bench"
