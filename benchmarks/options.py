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
        only: names of what is measured, where a benchmark has many; all when empty.
        window: seconds of a window, where it is not what the benchmark chooses.
        jobs: processes at once, where what is measured is not time.
    """

    rounds: int = 5
    peers: bool = False
    quick: bool = False
    only: tuple[str, ...] = ()
    window: float | None = None
    jobs: int = 1

    @property
    def kept(self) -> bool:
        """Whether the results are worth keeping: all of a benchmark, at full length."""
        return not self.quick and not self.only

    def seconds(self, long: float) -> float:
        """A duration, shortened in a quick run."""
        if self.window is not None:
            return self.window
        return min(long, 1.0) if self.quick else long

    def count(self, many: int) -> int:
        """A number of repetitions, fewer in a quick run."""
        return min(many, 3) if self.quick else many


def cache() -> Path:
    """Where environments of other products are kept, outside the repository."""
    if chosen := os.environ.get("HOLDFAST_BENCH_CACHE"):
        return Path(chosen)
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "holdfast-bench"
