"""Few threads in the processes that only look after models; in jobs as many as the user gave.

Threads of OpenMP that wait burn the core that answers requests; a training may have them all.
"""

from __future__ import annotations

from collections.abc import Mapping

MARK = "HOLDFAST_FEW_THREADS"
_FEW = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def few(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with one thread each, where the user did not choose; :func:`given` undoes it.

    >>> few({"OMP_NUM_THREADS": "4"})["OMP_NUM_THREADS"]
    '4'
    """
    added = {name: value for name, value in _FEW.items() if name not in environment}
    return {**environment, **added, **({MARK: ",".join(added)} if added else {})}


def given(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment as it was before :func:`few`.

    >>> given(few({"HOME": "/root"}))
    {'HOME': '/root'}
    """
    ours = {MARK, *environment.get(MARK, "").split(",")}
    return {name: value for name, value in environment.items() if name not in ours}
