"""What a model takes of the process's memory."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from holdfast.records import BundleManifest

# Measured (ADR 0016): tree ensembles in ONNX Runtime take 8 to 10 times their file, pickled
# estimators up to twice theirs.
_FACTORS = {"onnx": 10, "native": 2}
_LEAST = 256 * 2**10
_PAGE = os.sysconf("SC_PAGE_SIZE")


def memory_of(manifest: BundleManifest, grown: int | None) -> int:
    """Bytes that a loaded bundle takes.

    Args:
        manifest: of the bundle.
        grown: by how much the process grew, if that is known; a model that found room among freed
            memory grows it by less than it takes, so its own files are the least.
    """
    own = "model.onnx" if manifest.predictor == "onnx" else "native/"
    size = sum(file.size for file in manifest.files if file.path.startswith(own))
    measured = _FACTORS[manifest.predictor] * size if grown is None else max(grown, size)
    return max(_LEAST, measured)


class Growth:
    """Measures by how much the process grows while a model is loaded.

    That is the model's only when nothing else of size happened meanwhile: no other load, and no
    library that was imported first for this one. Else there is no measurement.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = 0
        self._running = 0

    def begin(self) -> Callable[[], int | None]:
        """Begins a load; the function returned ends it and tells the bytes, if they are known."""
        release_free_memory()
        with self._lock:
            self._begun += 1
            self._running += 1
            mark, alone = self._begun, self._running == 1
        modules, before = len(sys.modules), resident()

        def end() -> int | None:
            after = resident()
            with self._lock:
                self._running -= 1
                sound = alone and self._begun == mark and len(sys.modules) == modules
            return max(0, after - before) if sound else None

        return end


def resident() -> int:
    """Bytes of this process in memory; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    return 0


def available() -> int:
    """Bytes that models may take when nobody says: 70 % of what the container, or else the
    machine, has.
    """
    total = os.sysconf("SC_PHYS_PAGES") * _PAGE
    with contextlib.suppress(OSError, ValueError):  # "max" is no number: there is no limit
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return total * 7 // 10


@functools.cache
def _trim() -> Callable[[int], int]:
    found = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found if found is not None else lambda _: 0


def release_free_memory() -> None:
    """Gives freed memory back to the system, which glibc does not do by itself: without it the
    process keeps nearly all that an evicted model took.
    """
    _trim()(0)
