"""Scoring without ASGI says what scoring by way of it says."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.serving import conftest as toys

from holdfast.serving.connections import Connections
from holdfast.serving.http import http_config
from holdfast.serving.limits import Limits


class Wire(asyncio.Transport):
    """Remembers each system call."""

    def __init__(self, plain: socket.socket) -> None:
        super().__init__()
        self.socket = plain
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        self.calls.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.socket if name == "socket" else default

    def pause_reading(self) -> None:
        return None

    resume_reading = pause_reading

    def can_write_eof(self) -> bool:
        return False


class Caller:
    """One connection to a stand."""

    def __init__(self, stand: toys.Stand, plain: socket.socket) -> None:
        from uvicorn.server import ServerState

        self.bounds = Connections(Limits(), most=9)
        config = http_config(stand.app, self.bounds, grace=1)
        config.load()
        self.wire = Wire(plain)
        self.protocol: Any = config.http_protocol_class(
            config=config, server_state=ServerState(), app_state={}
        )
        self.protocol.connection_made(self.wire)

    def send(self, *parts: bytes) -> None:
        for part in parts:
            self.protocol.data_received(part)

    async def answers(self, count: int) -> list[tuple[int, Any]]:
        await toys.until(lambda: b"".join(self.wire.calls).count(b"HTTP/1.1 ") == count)
        await toys.until(lambda: not self.protocol.tasks)
        found = b"".join(self.wire.calls).split(b"HTTP/1.1 ")[1:]
        return [(int(one[:3]), json.loads(one.partition(b"\r\n\r\n")[2])) for one in found]


def post(body: Any = None, path: str = "/invocations", head: str = "") -> bytes:
    data = json.dumps({"instances": [toys.ROW]} if body is None else body).encode()
    lines = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{head}"
    return f"{lines}content-length: {len(data)}\r\n\r\n".encode() + data


def scene(act: Callable[[toys.Stand, Caller], Awaitable[None]], **more: Any) -> None:
    async def run() -> None:
        stand = toys.Stand(**more)
        await stand.live()
        # It knows nothing of TCP: every request came just now.
        with socket.socket(socket.AF_UNIX) as plain:
            await act(stand, Caller(stand, plain))
        await stand.server.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/invocations", None),
        ("/v1/models/toy:predict", None),
        ("/score", None),
        ("/invocations", {"instances": [{}]}),
        ("/v1/models/other:predict", None),
    ],
)
def test_whole_and_cut_requests_have_the_same_answer(path: str, body: Any) -> None:
    async def act(stand: toys.Stand, caller: Caller) -> None:
        whole = post(body, path)
        caller.send(whole)
        assert len(caller.wire.calls) == 1  # at once, in one write
        assert not caller.protocol.tasks
        caller.send(whole[:40], whole[40:-5], whole[-5:])
        first, second = await caller.answers(2)
        assert first == second
        heads = [re.split(rb"\r\n\r\n", call)[0] for call in caller.wire.calls]
        names = [sorted(re.findall(rb"\r\n([^:]+):", head)) for head in heads]
        assert names[0] == names[1]
        assert len(stand.spool.batches) in (0, 2)

    scene(act)


def test_answers_keep_the_order_of_requests() -> None:
    async def act(stand: toys.Stand, caller: Caller) -> None:
        caller.send(post() + post({"instances": 1}) + post() + post(path="/nowhere"))
        statuses = [status for status, _ in await caller.answers(4)]
        assert statuses == [200, 400, 200, 404]
        caller.send(post())
        assert (await caller.answers(5))[4][0] == 200

    scene(act)


def test_what_waits_is_answered_in_turn() -> None:
    async def act(stand: toys.Stand, caller: Caller) -> None:
        caller.send(post())
        assert not caller.wire.calls  # a thread scores it
        caller.send(post({"instances": 1}))
        assert [status for status, _ in await caller.answers(2)] == [200, 400]
        assert stand.server.in_flight == 0

    scene(act, limits=Limits(inline_rows=0))


def test_a_sleeping_model_is_woken() -> None:
    async def act(stand: toys.Stand, caller: Caller) -> None:
        await stand.many("b")
        caller.send(post(path="/v1/models/b:predict"))
        assert [status for status, _ in await caller.answers(1)] == [200]

    scene(act)


def test_the_last_answer_ends_the_connection() -> None:
    async def act(stand: toys.Stand, caller: Caller) -> None:
        caller.send(post(head="connection: close\r\n"))
        assert [status for status, _ in await caller.answers(1)] == [200]
        assert b"connection: close" in b"".join(caller.wire.calls)
        assert caller.wire.closed

    scene(act)


def test_a_draining_server_says_so() -> None:
    async def act(stand: toys.Stand, caller: Caller) -> None:
        caller.protocol.shutdown()
        caller.send(post())
        assert [status for status, _ in await caller.answers(1)] == [200]
        assert b"connection: close" in b"".join(caller.wire.calls)

    scene(act)


def test_debris_behind_a_head_reaches_no_model() -> None:
    async def act(stand: toys.Stand, caller: Caller) -> None:
        head = b"POST /invocations HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        caller.send(head + b"zzz\r\n")
        assert [status for status, _ in await caller.answers(1)] == [400]
        assert not stand.spool.batches

    scene(act)
