"""The last known routes on disk, so that a server starts without the control plane."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import msgspec

from holdfast.records import Arm, Route
from holdfast.serving.bundles import BundleCache

_log = logging.getLogger("holdfast.serving")


class RouteCache:
    """``routes.json`` in a folder of its own, replaced as a whole or not at all.

    Args:
        folder: ``<home>/serve``; made with mode 0700.
        name: of the file; each worker has its own, so that none overwrites a newer one.
        bundles: copies to tidy up once no route needs them.
    """

    def __init__(
        self, folder: Path, name: str = "routes.json", bundles: BundleCache | None = None
    ) -> None:
        self._folder = folder
        self._path = folder / name
        self._bundles = bundles
        self._routes = {route.model: route for route in self.load()}

    def load(self) -> list[Route]:
        """The newest routes that any worker or server of this home kept, by model.

        Those of others count too: the name of a server, or the number of its workers, may be
        another one after a restart.
        """
        newest: dict[str, Route] = {}
        for path in sorted(self._folder.glob("routes*.json")):
            for route in _read(path):
                known = newest.get(route.model)
                if known is None or route.epoch > known.epoch:
                    newest[route.model] = route
        return [newest[model] for model in sorted(newest)]

    def keep(self, route: Route) -> None:
        """Keeps a route that is served; a disk that fails costs only the next cold start."""
        self._routes[route.model] = route
        self._write()
        if self._bundles is not None:
            routes = [*self.load(), *self._routes.values()]
            self._bundles.tidy({arm.bundle for route in routes for arm in _arms(route)})

    def _write(self) -> None:
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


def _read(path: Path) -> list[Route]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Route])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError) as error:
        _log.warning("%s cannot be read: %s", path.name, type(error).__name__)
        return []


def _arms(route: Route) -> tuple[Arm, ...]:
    return (*route.arms, *route.shadow, *route.resident)
