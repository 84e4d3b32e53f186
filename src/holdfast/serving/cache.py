"""The last known routes on disk, so that a server starts without the control plane."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import msgspec

from holdfast.records import Route

_log = logging.getLogger("holdfast.serving")


class RouteCache:
    """``routes.json`` in a folder of its own, replaced as a whole or not at all.

    Args:
        folder: ``<home>/serve``; made with mode 0700.
        name: of the file; each worker has its own, so that none overwrites a newer one.
    """

    def __init__(self, folder: Path, name: str = "routes.json") -> None:
        self._folder = folder
        self._path = folder / name
        self._routes = {route.model: route for route in self.load()}

    def load(self) -> list[Route]:
        """The routes as last kept; none when there is no readable file."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Route])
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("%s cannot be read: %s", self._path.name, type(error).__name__)
            return []

    def keep(self, route: Route) -> None:
        """Keeps a route that is served; a disk that fails costs only the next cold start."""
        self._routes[route.model] = route
        data = msgspec.json.encode([self._routes[name] for name in sorted(self._routes)])
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, path = tempfile.mkstemp(dir=self._folder, prefix=".routes-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(path).replace(self._path)
            except OSError:
                Path(path).unlink(missing_ok=True)
                raise
        except OSError as error:
            _log.warning("%s cannot be written: %s", self._path.name, error.strerror)
