"""What one request may cost the server."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on input; each is checked before the memory it bounds is taken.

    Args:
        body: bytes of a request body as sent.
        unpacked: bytes of a request body after Content-Encoding was undone.
        rows: rows of one request.
        in_flight: requests being answered at once; more are told to come back.
        body_seconds: longest a body may take to arrive.
        inline_rows: requests up to this size are scored in the event loop's own thread. Handing a
            small request to a thread costs more than scoring it. Native models always have a
            thread of their own; see :mod:`holdfast.serving.batches`.
        batch_rows: rows of several requests that a native model scores together at most.
        inline_bytes: bodies up to this size are parsed in the event loop's own thread.
    """

    body: int = 6 * 2**20
    unpacked: int = 24 * 2**20
    rows: int = 10_000
    in_flight: int = 256
    body_seconds: float = 30.0
    inline_rows: int = 256
    batch_rows: int = 256
    inline_bytes: int = 256 * 2**10
