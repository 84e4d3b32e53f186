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


async def outside(act: Callable[[], None]) -> None:
    """Does it as the event loop does what a socket has read: in no task, and in one turn."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 (whoever awaits it is told)
            done.set_exception(error)
        else:
            done.set_result(None)

    loop.call_soon(run)
    await done


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


def test_one_turn_is_one_call_of_the_model_and_one_write_to_the_spool() -> None:
    async def run() -> None:
        stand = toys.Stand()
        toy = await stand.live()
        calls, writes = [], []
        predict, extend = toy.predict, stand.spool.extend
        use = stand.server.pick(None).champion
        use._predict = lambda columns, rows: calls.append(rows) or predict(columns, rows)
        stand.spool.extend = lambda some: writes.append(len(some)) or extend(some)  # type: ignore[method-assign]
        with socket.socket(socket.AF_UNIX) as plain:
            callers = [Caller(stand, plain) for _ in range(5)]

            def arrive() -> None:
                for number, caller in enumerate(callers):
                    rows = [{**toys.ROW, "age": float(10 * number)}] * (number + 1)
                    caller.send(post({"instances": rows}))
                    assert not caller.wire.calls

            await outside(arrive)
            found = [await caller.answers(1) for caller in callers]
        assert (calls, writes) == ([15], [5])
        for number, [(status, answer)] in enumerate(found):
            rows = [{**toys.ROW, "age": float(10 * number)}] * (number + 1)
            alone = await stand.call("POST", "/invocations", {"instances": rows})
            assert (status, answer) == (200, alone.json)
        assert len({batch.request for batch in stand.spool.batches}) == 10
        assert stand.server.in_flight == 0
        await stand.server.close()

    asyncio.run(run())


@pytest.mark.parametrize("what", ["more", "debris", "end", "lost", "shutdown", "expired"])
def test_what_is_pending_is_answered_before_anything_else_happens(what: str) -> None:
    def then(caller: Caller) -> None:
        if what == "more":
            caller.send(post({"instances": 1}))
        elif what == "debris":
            caller.send(b"\x00\x00")
        elif what == "end":
            caller.protocol.eof_received()
        elif what == "lost":
            caller.wire.closed = True
            caller.protocol.connection_lost(None)
        elif what == "shutdown":
            caller.protocol.shutdown()
        else:
            caller.protocol.expire()

    async def act(stand: toys.Stand, caller: Caller) -> None:
        def arrive() -> None:
            caller.send(post())
            assert not caller.wire.calls
            then(caller)
            assert len(stand.spool.batches) == 1
            assert len(caller.wire.calls) >= (what != "lost")

        await outside(arrive)
        assert stand.server.in_flight == 0
        expected = {"more": [200, 400], "debris": [200, 400], "lost": []}.get(what, [200])
        assert [status for status, _ in await caller.answers(len(expected))] == expected

    scene(act)


def test_requests_in_one_piece_are_answered_in_order_outside_of_tasks_too() -> None:
    async def act(stand: toys.Stand, caller: Caller) -> None:
        await outside(lambda: caller.send(post() + post({"instances": 1}) + post() + b"\x00"))
        statuses = [status for status, _ in await caller.answers(3)]
        assert statuses == [200, 400, 200]

    scene(act)


@pytest.mark.parametrize("gone", [False, True])
def test_an_answer_may_have_to_wait_after_its_turn(gone: bool) -> None:
    async def act(stand: toys.Stand, caller: Caller) -> None:
        disk = asyncio.get_running_loop().create_future()
        stand.spool.synced = lambda: disk  # type: ignore[assignment,method-assign,return-value]

        def arrive() -> None:
            caller.send(post())
            if gone:
                caller.wire.closed = True
                caller.protocol.connection_lost(None)

        await outside(arrive)
        await asyncio.sleep(0)
        assert len(stand.spool.batches) == 1
        assert not caller.wire.calls
        assert stand.server.in_flight == 1
        disk.set_result(True)
        await toys.until(lambda: not stand.server.in_flight)
        await toys.until(lambda: not caller.protocol.tasks)
        assert bool(caller.wire.calls) is not gone
        if not gone:
            caller.send(post({"instances": 1}))
            assert [status for status, _ in await caller.answers(2)] == [200, 400]

    scene(act)


def test_a_turn_takes_no_more_than_may_be_answered_at_once() -> None:
    async def run() -> None:
        stand = toys.Stand(limits=Limits(in_flight=2))
        await stand.live()
        with socket.socket(socket.AF_UNIX) as plain:
            callers = [Caller(stand, plain) for _ in range(7)]
            await outside(lambda: [caller.send(post()) for caller in callers] and None)
            for caller in callers:
                assert [status for status, _ in await caller.answers(1)] == [200]
        await stand.server.close()

    asyncio.run(run())


def test_versions_in_one_turn_go_apart_and_a_failure_is_covered() -> None:
    async def run() -> None:
        stand = toys.Stand()
        one = stand.shelf.put("sha256:1", toys.Toy())
        two = stand.shelf.put("sha256:2", toys.Toy(shift=100.0))
        two.fails = True
        await stand.server.apply(toys.route(1, toys.arm(1, 0.5), toys.arm(2, 0.5)))
        with socket.socket(socket.AF_UNIX) as plain:
            callers = [Caller(stand, plain) for _ in range(16)]

            def arrive() -> None:
                for number, caller in enumerate(callers):
                    caller.send(post(head=f"x-holdfast-routing-key: {number}\r\n"))

            await outside(arrive)
            for caller in callers:
                [(status, answer)] = await caller.answers(1)
                assert status == 200
                assert (
                    answer
                    == (
                        await stand.call(
                            "POST",
                            "/invocations",
                            {"instances": [toys.ROW]},
                            {"x-holdfast-routing-key": "0"},
                        )
                    ).json
                )
        failed = [batch.request for batch in stand.spool.batches if batch.error]
        covered = {batch.request: batch for batch in stand.spool.batches if not batch.error}
        assert len(failed) > 1
        assert all(covered[request].version == 1 for request in failed)
        assert one.seen[0] > 1  # those for the sound version, in one call
        await stand.server.close()

    asyncio.run(run())
