"""A process of ``holdfast up`` ends with it, however that ended: a pipe tells."""

from __future__ import annotations

import os
import signal
import threading

VARIABLE = "HOLDFAST_PARENT"


def end_with_parent() -> None:
    """Gives this process SIGTERM when the one that started it is gone.

    ``HOLDFAST_PARENT`` names the reading end of a pipe whose other end only the parent has. The
    variable is taken out of the environment: what this process starts has another parent.
    """
    given = os.environ.pop(VARIABLE, "")
    if not given.isdigit():
        return
    pipe = int(given)
    os.set_inheritable(pipe, False)

    def wait() -> None:
        os.read(pipe, 1)  # returns when the other end is closed; nothing is ever written
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="holdfast-parent", daemon=True).start()
