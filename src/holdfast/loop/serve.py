"""The server as a process of this installation: spool, key and control plane wired in."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Literal

import msgspec

from holdfast.bundle.key import find_key
from holdfast.errors import ConflictError, UsageError
from holdfast.loop.clock import make_clock
from holdfast.loop.named import named_routes
from holdfast.loop.parent import end_with_parent
from holdfast.loop.settings import CONTROL_PORT, Settings, load_settings, prepare
from holdfast.recording.spool import FileSpool
from holdfast.serving.bundles import BundleCache
from holdfast.serving.follow import ControlAddress
from holdfast.serving.limits import read_limits
from holdfast.serving.loader import bundle_loader
from holdfast.serving.memory import available
from holdfast.serving.options import ServeOptions
from holdfast.serving.platforms import Platform, find_bundle, read_platform
from holdfast.serving.probe import ready_file, server_name
from holdfast.serving.process import serve
from holdfast.spec import FILE_NAME, Serve, load_spec, parse_duration, parse_size

_MODELS = "/opt/ml/models"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What ``holdfast serve`` was asked; what is None comes from the platform, then the spec.

    Args:
        bundle: folder of a bundle, folder of such folders, address of a bundle, or
            ``models:/name@alias``; without, the one that the platform put here is served, and
            without that the control plane followed.
        digest: content address that the bundle must have.
        version: number that its predictions are recorded under.
        anonymous: everybody may score, off loopback too.
        ready_file: where to write the URLs once it listens; in the home's ``run`` without.
        limits: ``name=value`` each; see :func:`holdfast.serving.limits.read_limits`.
        drain: seconds between failing readiness and refusing connections.
        grace: seconds that requests get to finish.
    """

    bundle: str | None = None
    digest: str | None = None
    version: int | None = None
    host: str | None = None
    port: int | None = None
    metrics_host: str | None = None
    metrics_port: int | None = None
    grpc_port: int | None = None
    workers: int | None = None
    memory: str | None = None
    allow_pickle: bool = False
    anonymous: bool = False
    ready_file: Path | None = None
    limits: tuple[str, ...] = ()
    drain: float = 0.0
    grace: float = 25.0


def run(project: Path, asked: Request) -> int:
    """Serves until SIGTERM or SIGINT; returns an exit status.

    Raises:
        UsageError: off loopback without ``HOLDFAST_TOKEN``, or an address that cannot be had.
        BundleError: when the bundle that was named cannot be served.
    """
    end_with_parent()
    settings = prepare(load_settings(project.absolute()))
    declared = load_spec(project).serve if (project / FILE_NAME).exists() else Serve()
    options = _options(settings, declared, asked)
    os.environ.setdefault("HOLDFAST_HOME", str(settings.home))
    allow = asked.allow_pickle or os.environ.get("HOLDFAST_ALLOW_PICKLE") == "1"
    clock = make_clock(settings.clock)
    spool_root = settings.folder("spool") / options.server
    limit = parse_size(declared.spool_limit)
    cached = BundleCache(settings.home / "serve" / "bundles").fetch
    return serve(
        options,
        clock=clock,
        open_spool=lambda writer: _spool(spool_root, limit, declared, writer, options),
        load=bundle_loader(
            key=find_key(), allow_pickle=allow, fetch=cached if options.control else None
        ),
        command=[sys.executable, "-m", "holdfast.cli", *sys.argv[1:]],
        announce=lambda url: print(f"predictions at {url}", file=sys.stderr),  # noqa: T201
    )


def _spool(
    root: Path, limit: int, declared: Serve, writer: str, options: ServeOptions
) -> FileSpool:
    """The spool of one worker.

    A server that was given its bundle has nothing in common with others of its name, so beside one
    it takes a folder that is free. Servers that follow the control plane must differ in name.
    """
    always = declared.fsync == "always"
    fsync: float | Literal["always"] = (
        "always" if always else parse_duration(declared.fsync).total_seconds()
    )
    try:
        return FileSpool(root, limit, writer=writer, fsync_interval=fsync)
    except ConflictError:
        if options.control is not None:
            raise
        return FileSpool(root, limit, writer=f"{writer}-{os.getpid()}", fsync_interval=fsync)


def _options(settings: Settings, declared: Serve, asked: Request) -> ServeOptions:
    platform = read_platform(os.environ)

    def chosen(name: str) -> object:
        for source in (asked, platform):
            if (given := getattr(source, name, None)) is not None:
                return given
        return getattr(declared, name)

    token = settings.token
    follow = ControlAddress(url=control_url(settings), token=token or "")
    multi = os.environ.get("SAGEMAKER_MULTI_MODEL", "").lower() == "true"
    bundle = asked.bundle or (None if multi else _platform_bundle(settings, platform))
    memory = _memory(asked.memory or os.environ.get("HOLDFAST_MEMORY") or declared.memory)
    routes = (
        named_routes(settings, bundle, digest=asked.digest, version=asked.version) if bundle else []
    )
    settings.folder("run")
    options = ServeOptions(
        server=server_name(),
        home=settings.home,
        control=None if bundle or multi else follow,
        routes=routes,
        spool_full=declared.spool_full,
        tokens=[hashlib.sha256(token.encode()).hexdigest()] if token else [],
        anonymous=asked.anonymous or bool(platform.name),
        ready_file=asked.ready_file or ready_file(settings.home),
        metrics_host=asked.metrics_host or "127.0.0.1",
        platform=platform,
        memory=available() if multi and memory is None else memory,
        model_root=Path(os.environ.get("HOLDFAST_MODEL_ROOT", _MODELS)) if multi else None,
        drain=asked.drain,
        grace=asked.grace,
        limits=read_limits(asked.limits),
    )
    changes = {
        name: chosen(name) for name in ("host", "port", "metrics_port", "grpc_port", "workers")
    }
    return _replaced(options, changes)


def _platform_bundle(settings: Settings, platform: Platform) -> str | None:
    """The bundle that the platform put here, unless a control plane is named."""
    if platform.model is None or settings.control_url is not None:
        return None
    return str(find_bundle(platform.model))


def _replaced(options: ServeOptions, changes: dict[str, object]) -> ServeOptions:
    import dataclasses

    return dataclasses.replace(options, **changes)  # type: ignore[arg-type]


def control_url(settings: Settings) -> str:
    """Where the control plane is: named, or as it left its address, or where it would be."""
    if settings.control_url:
        return settings.control_url
    with contextlib.suppress(OSError, ValueError, KeyError):
        return str(json.loads((settings.home / "run" / "control.json").read_text())["url"])
    return f"http://127.0.0.1:{CONTROL_PORT}"


def _memory(text: str) -> int | None:
    try:
        return parse_size(text) if text else None
    except ValueError as error:
        raise UsageError("serve.memory", f"the memory for models: {error}") from error
