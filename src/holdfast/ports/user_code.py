"""The user's own code, run where it can do no harm."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import polars as pl


class UserCode(Protocol):
    """Runs callables of the project in a process of their own."""

    def load(self, target: str) -> pl.DataFrame:
        """Calls a loader such as ``delays:load`` and returns its frame.

        Raises:
            UserCodeError: with the user's traceback.
        """
        ...

    def train(self, target: str, frame: Path, out: Path) -> None:
        """Calls a training callable on the Parquet file ``frame``; leaves the estimator in
        the folder ``out``.

        Raises:
            UserCodeError: with the user's traceback; also on time-out and over-use of memory.
        """
        ...
