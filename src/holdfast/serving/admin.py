"""What an operator, or a hosting platform, may order of the models of one process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

from holdfast.bundle.manifest import MANIFEST_FILE, bundle_digest, read_manifest
from holdfast.errors import BundleError, HoldfastError, UnavailableError
from holdfast.records import Arm, Route
from holdfast.serving.server import ModelServer


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """An order: ``add`` brings a bundle from ``path`` under the name ``model``; ``load`` and
    ``unload`` are about a model that the server was given; ``state`` is what a worker tells one
    that starts beside it.
    """

    do: Literal["index", "load", "unload", "add", "remove", "state"]
    model: str = ""
    path: str = ""


class Reply(msgspec.Struct, frozen=True):
    """An HTTP status, and what to tell."""

    status: int
    body: Any = None


Run = Callable[[Command], Awaitable[Reply]]


class Admin:
    """Carries out commands on one server.

    Args:
        server: whose models they are.
        root: folder that bundles may be added from; ``None``: none may be added.
    """

    def __init__(self, server: ModelServer, root: Path | None = None) -> None:
        self._server = server
        self._root = root
        self._added: dict[str, str] = {}

    async def run(self, command: Command) -> Reply:
        """Does it; errors become replies, in sentences that hold no path."""
        try:
            reply: Reply = await getattr(self, f"_{command.do}")(command)
            return reply
        except UnavailableError as error:
            return Reply(507 if error.code == "model.no_memory" else 503, _told(error))
        except HoldfastError as error:
            return Reply(400, _told(error))

    async def _index(self, _: Command) -> Reply:
        routes = self._server.routes
        return Reply(200, {name: _state(self._server, name) for name in routes.known})

    async def _load(self, command: Command) -> Reply:
        routes = self._server.routes
        if command.model not in routes.known:
            return _unknown()
        routes.offer(command.model)
        if command.model in routes.asleep:
            await routes.wake(command.model)
        return Reply(200, {})

    async def _unload(self, command: Command) -> Reply:
        routes = self._server.routes
        if command.model not in routes.known:
            return _unknown()
        routes.withdraw(command.model)
        return Reply(200, {})

    async def _add(self, command: Command) -> Reply:
        routes = self._server.routes
        if command.model in routes.known:
            return Reply(409, {"error": "the model is loaded already"})
        folder = await asyncio.to_thread(self._inside, command.path)
        if folder is None:
            return Reply(400, {"error": "the url is no bundle in the folder of models"})
        route = await asyncio.to_thread(_route_of, command.model, folder)
        routes.rest(route)
        self._added[command.model] = command.path
        try:
            await routes.wake(command.model, evict=False)
        except HoldfastError as error:
            routes.remove(command.model)
            self._added.pop(command.model, None)
            if error.code == "model.not_loaded":
                return Reply(400, {"error": "the bundle cannot be served; the error was logged"})
            raise
        return Reply(200, {})

    async def _remove(self, command: Command) -> Reply:
        if self._added.pop(command.model, None) is None:
            return _unknown()
        self._server.routes.remove(command.model)
        return Reply(200, {})

    async def _state(self, _: Command) -> Reply:
        return Reply(
            200, {"added": self._added, "withdrawn": sorted(self._server.routes.withdrawn)}
        )

    def _inside(self, url: str) -> Path | None:
        """The bundle's folder; ``None`` for anything that leads out of the root."""
        if self._root is None or "\0" in url or not url.startswith("/"):
            return None
        root, folder = self._root.resolve(), Path(url).resolve()
        if not folder.is_relative_to(root) or folder == root:
            return None
        return folder if (folder / MANIFEST_FILE).is_file() else None

    async def join(self, other: Reply) -> None:
        """Becomes as another worker says that it is, after a restart of this one."""
        state = other.body or {}
        for model, path in state.get("added", {}).items():
            await self.run(Command(do="add", model=model, path=path))
        for model in state.get("withdrawn", []):
            self._server.routes.withdraw(model)


def _route_of(model: str, folder: Path) -> Route:
    arm = Arm(version=0, bundle=bundle_digest(folder), path=str(folder), weight=1.0)
    return Route(
        model=model, epoch=1, arms=(arm,), actor="platform", reason="added by request",
        created_at=read_manifest(folder).created_at,
    )  # fmt: skip


def _state(server: ModelServer, name: str) -> dict[str, str]:
    routes = server.routes
    trouble = routes.problems.get(name, "")
    if name in routes.live:
        return {"state": "READY", "reason": trouble}
    if name in routes.withdrawn:
        return {"state": "UNAVAILABLE", "reason": "unloaded"}
    if trouble:
        return {"state": "UNAVAILABLE", "reason": trouble}
    return {"state": "READY", "reason": "asleep: loaded by the first request"}


def _told(error: HoldfastError) -> dict[str, str]:
    kept = isinstance(error, BundleError)  # its message may name a folder
    return {"error": "the bundle cannot be read" if kept else error.message}


def _unknown() -> Reply:
    return Reply(404, {"error": "this server was given no such model"})
