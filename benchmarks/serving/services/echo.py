"""The floor below the floor: reads a body, answers a constant."""

from __future__ import annotations

import os
from typing import Any

BODY = b'{"probability":[%s]}' % os.environ["BENCH_TRUTH"].encode()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
