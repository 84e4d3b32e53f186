"""The floor below the floor: reads a body, answers a constant."""

from __future__ import annotations

import os
from typing import Any

TRUTH = os.environ["BENCH_TRUTH"]
SMALL = 2_000  # bytes; a hundred rows have more


def answer(rows: int) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    body = b'{"probability":[%s]}' % ",".join([TRUTH] * rows).encode()
    size = b"%d" % len(body)
    return body, [(b"content-type", b"application/json"), (b"content-length", size)]


ANSWERS = answer(1), answer(100)


async def app(_scope: Any, receive: Any, send: Any) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body, headers = ANSWERS[size > SMALL]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
