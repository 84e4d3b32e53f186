"""The routes of a server that was told by name what to serve: no control plane is followed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.bundle.manifest import MANIFEST_FILE, bundle_digest, read_manifest
from holdfast.errors import UsageError
from holdfast.loop.fetching import fetch, is_address
from holdfast.loop.settings import Settings
from holdfast.records import Arm, Route
from holdfast.serving.cache import RouteCache
from holdfast.serving.probe import server_name

if TYPE_CHECKING:
    from holdfast.registry.mlflow_registry import MlflowRegistry


def named_routes(
    settings: Settings, name: str, *, digest: str | None = None, version: int | None = None
) -> list[Route]:
    """Routes that serve one bundle, or each bundle of a folder, and nothing else; left where the
    recorder finds them.

    Args:
        settings: of the home.
        name: folder of a bundle, folder of such folders, address of a bundle, or
            ``models:/name@alias``.
        digest: content address that the one bundle must have.
        version: number that its predictions are recorded under.

    Raises:
        UsageError: when there is no such bundle.
        BundleError: when it is not the one of this digest.
    """
    folder, number = _found(settings, name, digest)
    if (folder / MANIFEST_FILE).exists():
        number = number if version is None else version
        routes = [_route(folder, name, digest or bundle_digest(folder), number)]
    else:
        routes = _routes(folder, name)
    cache = RouteCache(settings.home / "serve", f"fixed-{server_name()}.json")
    for route in routes:
        cache.keep(route)
    return routes


def _routes(folder: Path, name: str) -> list[Route]:
    found = [path.parent for path in sorted(folder.glob(f"*/{MANIFEST_FILE}"))]
    routes = [_route(each, name, bundle_digest(each), 0) for each in found]
    if not routes:
        raise UsageError(
            "serve.no_bundle", f"there is no bundle in {name}",
            "Name a bundle's folder, a folder of such folders, its address, or models:/name@alias.",
        )  # fmt: skip
    twice = [model for model, n in Counter(route.model for route in routes).items() if n > 1]
    if twice:
        raise UsageError(
            "serve.model_twice", f"several bundles in {name} are of the model '{twice[0]}'",
            "Leave one bundle of each model in the folder.",
        )  # fmt: skip
    return routes


def _route(folder: Path, name: str, digest: str, version: int) -> Route:
    manifest = read_manifest(folder)
    return Route(
        model=manifest.model, epoch=1, actor="operator", reason=f"served by name: {name}",
        arms=(Arm(version=version, bundle=digest, path=str(folder), weight=1.0),),
        created_at=manifest.created_at,
    )  # fmt: skip


def _found(settings: Settings, name: str, digest: str | None) -> tuple[Path, int]:
    """The folder, and the version's number: 0 when the name does not say it."""
    if is_address(name):
        return fetch(name, digest, settings.folder("bundles")), 0
    if not name.startswith("models:/"):
        folder = Path(name).absolute()
        if not folder.is_dir():
            raise UsageError(
                "serve.no_bundle", f"there is no folder {name}",
                "Name a bundle's folder, its address, or models:/name@alias.",
            )  # fmt: skip
        return folder, 0
    from holdfast.registry.mlflow_registry import MlflowRegistry

    registry = MlflowRegistry(settings.tracking_uri, settings.folder("artifacts"))
    model, number = _resolve(registry, name)
    return registry.fetch(registry.version(model, number), settings.folder("bundles")), number


def _resolve(registry: MlflowRegistry, name: str) -> tuple[str, int]:
    """Model and number of ``models:/name/3`` or ``models:/name@alias``."""
    text = name.removeprefix("models:/")
    model, _, alias = text.partition("@")
    if alias:
        number = registry.aliases(model).get(alias)
    else:
        model, _, given = text.partition("/")
        number = int(given.removeprefix("v")) if given.removeprefix("v").isdigit() else None
    if number is None:
        raise UsageError(
            "serve.no_version", f"{name} names no version",
            "Write it like models:/name/3 or models:/name@champion.",
        )  # fmt: skip
    return model, number
