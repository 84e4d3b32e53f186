"""Rendering: targets by entry point, the version to render, files on disk."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, cast

from holdfast.bundle.key import find_key
from holdfast.bundle.manifest import LOCK_FILE, bundle_digest, may_unpickle, read_file, verify
from holdfast.errors import ConflictError, NotFoundError, UsageError
from holdfast.ports.rendering import Build, Content, Rendering, Subject, Target
from holdfast.records import Version

if TYPE_CHECKING:
    from holdfast.loop.container import Container

RENDER, BUILD = "holdfast.render", "holdfast.build"
MARKER = ".holdfast-render"


def target_names() -> list[str]:
    """The targets that are installed, sorted."""
    return sorted(_found(RENDER))


def find_target(name: str) -> Target:
    """The target of that name.

    Raises:
        NotFoundError: when no installed package has it.
    """
    return cast("Target", _load(RENDER, name))


def find_build(name: str) -> Build:
    """What builds images with the engine of that name.

    Raises:
        NotFoundError: when no installed package has it.
    """
    return cast("Build", _load(BUILD, name))


def _found(group: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def _load(group: str, name: str) -> object:
    found = _found(group)
    if name not in found:
        raise NotFoundError(
            "render.no_target",
            f"no installed package renders for '{name}'",
            "'holdfast render --help' lists what there is; install Holdfast again if it is empty.",
        )
    return found[name].load()


def subject_of_version(container: Container, model: str, number: int | None) -> Subject:
    """A registered version: the one of that number, else the live one, else the newest.

    Raises:
        NotFoundError: when there is no such version.
        BundleError: when the registry holds something else than was registered.
    """
    registry = container.registry
    if number is None:
        number = _wanted(container, model)
    version = registry.version(model, number)
    folder = registry.fetch(version, container.settings.folder("bundles"))
    return subject_of_bundle(folder, version=version, key=container.key)


def _wanted(container: Container, model: str) -> int:
    route = container.ask(container.store.routes.current, model)
    if route is not None:
        return route.champion.version
    versions = container.registry.versions(model)
    if not versions:
        raise NotFoundError(
            "render.no_version", f"'{model}' has no version yet", "Run 'holdfast train' first."
        )
    return versions[-1].number


def subject_of_bundle(
    folder: Path,
    *,
    version: Version | None = None,
    key: bytes | None = None,
    allow_pickle: bool = False,
) -> Subject:
    """A bundle, verified.

    Raises:
        BundleError: when it is corrupt.
    """
    digest = bundle_digest(folder)
    manifest = verify(folder, digest)
    return Subject(
        folder=folder, digest=digest, manifest=manifest, version=version,
        trusted=allow_pickle or may_unpickle(folder, key or find_key()),
        lock=read_file(folder, manifest, LOCK_FILE).decode(),
    )  # fmt: skip


def write(rendering: Rendering, folder: Path) -> list[str]:
    """Writes the files, readable by all; of an earlier rendering nothing is left.

    Returns:
        The paths written, relative to ``folder``.

    Raises:
        ConflictError: when the folder holds something that was not rendered.
        UsageError: when it cannot be written.
    """
    try:
        _clear(folder)
        folder.mkdir(parents=True, exist_ok=True)
        names = sorted(rendering.files)
        (folder / MARKER).write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
        for name in names:
            _put(rendering.files[name], folder / name)
    except OSError as error:
        raise UsageError(
            "render.folder",
            f"the files cannot be written to {folder}: {error.strerror}",
            "Name a folder that you may write to.",
        ) from None
    return names


def _clear(folder: Path) -> None:
    if not folder.exists() or not any(folder.iterdir()):
        return
    marker = folder / MARKER
    if not marker.is_file():
        raise ConflictError(
            "render.not_ours",
            f"{folder} holds files that were not rendered",
            "Name a new folder, or one that 'holdfast render' wrote.",
        )
    for name in json.loads(marker.read_text(encoding="utf-8")):
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _put(content: Content, path: Path) -> None:
    """Modes are set, not copied: an image must be readable under any user."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path) and content.is_dir():
        path.mkdir()
        path.chmod(0o755)
        for inner in sorted(content.iterdir()):
            _put(inner, path / inner.name)
        return
    if isinstance(content, Path):
        shutil.copyfile(content, path)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8")
    path.chmod(0o644)
