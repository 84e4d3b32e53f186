"""``python -m holdfast.serving.probe``: asks the server of this container whether it is ready.

For health checks in an image that has neither shell nor curl. ``--ask`` posts standard input to
``/invocations`` and prints the answer. Where the server listens it has left in the home.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = 4.0


def server_name() -> str:
    """The name of the server on this host: ``HOLDFAST_SERVER``, else the host's name."""
    return os.environ.get("HOLDFAST_SERVER") or socket.gethostname()


def ready_file(home: Path) -> Path:
    """Where a server of this host says that it listens."""
    return home / "run" / f"serve-{server_name()}.json"


def main(arguments: list[str]) -> int:
    """Returns 0 when the server is ready, or answered."""
    home = Path(os.environ.get("HOLDFAST_HOME", ".holdfast"))
    try:
        url = str(json.loads(ready_file(home).read_text(encoding="utf-8"))["url"])
        if "--ask" in arguments:
            status, body = _call(url, "POST", "/invocations", sys.stdin.buffer.read())
            sys.stdout.write(body.decode())
        else:
            status, _ = _call(url, "GET", "/v2/health/ready")
    except (OSError, ValueError, KeyError, HTTPException) as error:
        sys.stderr.write(f"no answer: {type(error).__name__}\n")
        return 1
    return 0 if status == 200 else 1


def _call(url: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get("HOLDFAST_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
