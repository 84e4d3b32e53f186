"""Commands to every worker of a server: each listens on a socket in a folder they share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from pathlib import Path
from typing import Any

import msgspec

from holdfast.serving.admin import Admin, Command, Reply

_LONGEST = 120.0


class Desk:
    """Where commands to one worker arrive, and from where it gives commands to all.

    Args:
        admin: carries them out here.
        folder: private to this server's processes; empty for a worker that is alone.
        slot: of the worker.
    """

    def __init__(self, admin: Admin, folder: str, slot: int) -> None:
        self._admin = admin
        self._folder = Path(folder) if folder else None
        self._slot = slot
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None

    def begin(self) -> None:
        """Takes commands from threads, in the loop that runs now."""
        self._loop = asyncio.get_running_loop()

    async def join(self) -> None:
        """Listens to the others, and becomes as they are, after a restart of this worker."""
        if self._folder is None:
            return
        path = self._folder / f"worker-{self._slot}.sock"
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._one, path)
        state = Command(do="state")
        others = await asyncio.to_thread(ask, self._folder, state, without=self._slot)
        if others:
            await self._admin.join(others[0])

    def order(self, command: Command) -> Reply:
        """Carries a command out here; called in another thread than the loop's."""
        if self._loop is None:
            return Reply(503, {"error": "the server is starting"})
        done = asyncio.run_coroutine_threadsafe(self._admin.run(command), self._loop)
        return done.result(_LONGEST)

    async def everywhere(self, command: Command) -> Reply:
        """Carries a command out in every worker."""
        if self._folder is None:
            return await self._admin.run(command)
        return merged(await asyncio.to_thread(ask, self._folder, command))

    def close(self) -> None:
        """Listens no longer."""
        if self._server is not None:
            self._server.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, msgspec.MsgspecError, ValueError):
            command = msgspec.json.decode(await reader.readline(), type=Command)
            writer.write(msgspec.json.encode(await self._admin.run(command)))
            writer.write_eof()
            await writer.drain()
        writer.close()


def ask(folder: Path, command: Command, *, without: int | None = None) -> list[Reply]:
    """Gives a command to every worker, one after the other; those that are away are left out.

    Args:
        folder: private to this server.
        command: what to do.
        without: the slot of one not to ask.
    """
    replies = []
    for path in sorted(folder.glob("worker-*.sock")):
        if path.name == f"worker-{without}.sock":
            continue
        with (
            contextlib.suppress(OSError, msgspec.MsgspecError),
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one,
        ):
            one.settimeout(_LONGEST)
            one.connect(os.fspath(path))
            one.sendall(msgspec.json.encode(command) + b"\n")
            data = b"".join(iter(lambda: one.recv(2**16), b""))
            replies.append(msgspec.json.decode(data, type=Reply))
    return replies


def merged(replies: list[Reply]) -> Reply:
    """One reply for all workers: the worst of each."""
    if not replies:
        return Reply(503, {"error": "no worker answers"})
    worst = max(replies, key=lambda reply: reply.status)
    if worst.status != 200:
        return worst
    body = dict(worst.body)
    for reply in replies:
        bad = {k: v for k, v in reply.body.items() if _unavailable(v) or k not in body}
        body.update(bad)
    return Reply(200, body)


def _unavailable(value: Any) -> bool:
    return isinstance(value, dict) and value.get("state") == "UNAVAILABLE"
