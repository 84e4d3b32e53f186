"""Load on a server: wrk, from the same machine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

MISSING = "wrk is not installed (apt-get install wrk): this part was left out"
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Load(NamedTuple):
    """Requests per second, milliseconds at the 99th percentile, answers that were not 2xx,
    milliseconds at the median.
    """

    rate: float
    p99: float
    failed: int
    p50: float = 0.0


def available() -> bool:
    """Whether wrk is there."""
    return shutil.which("wrk") is not None


def script(folder: Path, body: object, name: str = "request") -> Path:
    """A script for wrk that posts a body as JSON."""
    file = folder / f"{name}.lua"
    quoted = json.dumps(body)
    file.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = [=[{quoted}]=]\n"
    )
    return file


def press(url: str, lua: Path, *, connections: int, seconds: float) -> Load:
    """Loads a URL; wrk takes whole seconds, and at least one.

    Raises:
        RuntimeError: when wrk fails.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    done = subprocess.run(
        [*command, "--timeout", "30s", "--latency", "-s", str(lua), url],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 60,
    )
    out = done.stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", out)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", out)
    p50 = re.search(r"50%\s+([\d.]+)(us|ms|s|m)", out)
    if done.returncode or rate is None or p99 is None or p50 is None:
        raise RuntimeError(f"wrk: {(done.stderr or out)[-1000:]}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    failed = (int(refused[1]) if refused else 0) + socket_errors(out)
    return Load(
        float(rate[1]), float(p99[1]) * _UNITS[p99[2]], failed, float(p50[1]) * _UNITS[p50[2]]
    )


def socket_errors(out: str) -> int:
    """Connections that broke, by what wrk said."""
    found = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", out)
    return sum(map(int, found.groups())) if found else 0
