"""A process of the user's code that stays for the next call: importing a project takes seconds."""

from __future__ import annotations

import contextlib
import os
import subprocess
from types import TracebackType
from typing import Self

from holdfast.training.watch import end_all


class Kept:
    """Holds the process between the calls of one job; use it as a context manager.

    Only a call that succeeded leaves its process here, so the next one finds the project imported
    and nothing else: a failed call's process is gone, as without this.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._orders = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def waits(self) -> bool:
        """Whether there is one."""
        return self._process is not None

    def end(self) -> None:
        """Ends the process, if there is one."""
        if self._process is not None:
            end_all(self._process)
            os.close(self._orders)
            self._process = None

    def put(self, process: subprocess.Popen[bytes], orders: int) -> None:
        """Leaves a process that waits for a folder's name on the pipe ``orders``."""
        self.end()
        self._process, self._orders = process, orders

    def take(self, folder: str) -> tuple[subprocess.Popen[bytes], int] | None:
        """The process, told to do the request in ``folder``; None when there is none alive."""
        process, orders = self._process, self._orders
        if process is None:
            return None
        self._process = None
        if process.poll() is None:
            with contextlib.suppress(OSError):
                os.write(orders, f"{folder}\n".encode())
                return process, orders
        end_all(process)
        os.close(orders)
        return None
