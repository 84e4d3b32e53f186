"""Which ids have a label already: a hash of each, so that nothing is read again to know it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.recording.parquet import replaces


class SeenIds:
    """Hashes of the ids of files that never change; eight bytes an id.

    Most labels are of ids that have none. That is known without a look at all labels there are.
    """

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._hashes = np.empty(0, np.uint64)

    def read(self, files: Iterable[Path]) -> None:
        """Reads the files that are new; those that only hold what was read under other names are
        not.

        Args:
            files: all of a folder that count.
        """
        found, names = [self._hashes], set(self._files)
        for path in files:
            replaced = replaces(path)
            if path.name not in names and not (replaced and names >= set(replaced)):
                ids = pl.read_parquet(path, columns=["id"], hive_partitioning=False)["id"]
                found.append(_hashed(ids))
            names.add(path.name)
        if len(found) > 1:
            self._hashes = np.sort(np.concatenate(found), kind="stable")
        self._files = names  # only now: what could not be read is read at the next call

    def has(self, ids: pl.Series) -> bool:
        """Whether one of them may be there: always when it is, and by chance hardly ever.

        >>> SeenIds().has(pl.Series(["a"]))
        False
        """
        hashes = _hashed(ids)
        at = np.searchsorted(self._hashes, hashes)
        there = at < len(self._hashes)
        return bool((self._hashes[at[there]] == hashes[there]).any())


def _hashed(ids: pl.Series) -> NDArray[np.uint64]:
    return ids.hash().to_numpy()
