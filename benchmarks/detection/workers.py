"""Peers in environments of their own, each a process that is asked about stream after stream."""

from __future__ import annotations

import atexit
import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from processes import clean_environment

from detection.judge import Track
from detection.streams import Stream, day_of

SCRIPTS = Path(__file__).parent / "peers"
QUIET = {
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NML_DISABLE_USAGE_LOGGING": "1",
    "DO_NOT_TRACK": "1",
}  # fmt: skip


class PeerError(RuntimeError):
    """A peer could not judge a stream."""


def watch(python: Path, script: str, arrays: Path) -> dict[str, Track]:
    """What a peer says about a stream.

    Args:
        python: of its environment.
        script: in ``peers``.
        arrays: what :func:`write` wrote.

    Raises:
        PeerError: when it raised an error, or ended.
    """
    answer = json.loads(ask(python, script, str(arrays)))
    if "error" in answer:
        raise PeerError(answer["error"])
    return {name: Track(**one) for name, one in answer.items()}


def ask(python: Path, script: str, line: str) -> str:
    """A line in, a line out.

    Raises:
        PeerError: when the process ended.
    """
    process = _process(python, script)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        _process.cache_clear()
        raise PeerError(f"{script} ended with status {process.wait()}")
    return answer


def write(stream: Stream, path: Path, *, slow: bool, knobs: bool) -> None:
    """A stream as arrays: texts as codes, days from −reference to production.

    Args:
        stream: what is judged.
        path: of the file.
        slow: whether slow detectors should judge it too.
        knobs: whether at all settings, where each takes its time.
    """
    names = ["prediction", *stream.features]
    texts = [name for name in names if stream.reference.schema[name] == pl.String]
    first = stream.production["at"].dt.epoch("d").min()
    arrays: dict[str, Any] = {
        "names": np.array(names), "texts": np.array(texts, dtype=str), "days": stream.days,
        "slow": slow, "knobs": knobs,
        "reference day": (stream.reference["at"].dt.epoch("d") - first).to_numpy(),
        "production day": day_of(stream.production).to_numpy(),
        "production label day": day_of(stream.production, "label_at").to_numpy(),
    }  # fmt: skip
    for name in (*names, "label"):
        both = [stream.reference[name], stream.production[name]]
        if name in texts:
            values = pl.concat(both).unique().drop_nulls().sort()
            kind = pl.Enum(values)
            both = [one.cast(kind).to_physical().cast(pl.Int64).fill_null(-1) for one in both]
        arrays[f"reference {name}"], arrays[f"production {name}"] = (x.to_numpy() for x in both)
    np.savez(path, **arrays)


@cache
def _process(python: Path, script: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [str(python), str(SCRIPTS / script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, env=clean_environment(**QUIET),
    )  # fmt: skip
    atexit.register(process.kill)
    return process
