"""What ``[gate]`` and ``[monitor]`` may say of a metric of the project's own."""

from __future__ import annotations

import re
from collections.abc import Iterator

from holdfast.spec.types import Spec

_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def metric_faults(spec: Spec) -> Iterator[tuple[str, str, str]]:
    """Where, what and how to mend, as ``parse_spec`` raises it."""
    gate = spec.gate
    if gate.own and not _TARGET.fullmatch(gate.metric):
        yield (
            "gate.metric",
            f"'{gate.metric}' names no callable",
            "Write it like 'costs:each', after the file costs.py of the project.",
        )
    if gate.own and gate.better is None:
        yield (
            "gate.better",
            f"nobody knows whether more or less of {gate.metric} is good",
            'Add better = "higher" or better = "lower".',
        )
    if not gate.own and gate.better is not None:
        yield (
            "gate.better",
            f"of {gate.metric} it is known that greater is better",
            "Remove it; it is for a metric of your own.",
        )
    for name in spec.monitor.metrics:
        if ":" in name:
            yield (
                "monitor.metrics",
                f"'{name}' would run code of yours where the loop decides",
                "Name it in [gate] metric: it is measured of each version, on held-out rows.",
            )
