"""How a server runs: its options, and the addresses that follow from them."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from holdfast.errors import UsageError
from holdfast.records import Route
from holdfast.serving.follow import ControlAddress
from holdfast.serving.limits import Limits
from holdfast.serving.platforms import Platform


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """How a server runs.

    Args:
        server: its id.
        home: ``HOLDFAST_HOME``; the route cache is kept in its ``serve`` folder.
        host: address of predictions; off loopback ``tokens`` or ``anonymous`` is required.
        port: 0 for any free one.
        metrics_port: on loopback, or ``metrics_host``; 0 for any free one; ``None`` for none.
        grpc_port: of the Open Inference Protocol over gRPC; 0 for any free one; ``None`` for none.
        workers: processes on one listening socket.
        control: whom to follow; without, ``routes`` are served as they are.
        routes: fixed routes.
        spool_full: what to do when a prediction cannot be recorded.
        tokens: SHA-256 hex digests of bearer tokens that may score.
        anonymous: everybody may score, off loopback too.
        ready_file: where to write, as JSON, the URLs and the process id once it listens.
        drain: seconds between failing readiness and refusing connections.
        grace: seconds that requests get to finish.
        limits: bounds on requests.
        platform: whose paths are answered beside those of every contract.
        memory: most bytes that the models may take, shared evenly by the workers; ``None``: all
            that was loaded stays so.
        model_root: a hosting platform may add bundles from this folder while the server runs.
        ahead: most models to load before they are asked for, when the server starts.
    """

    server: str
    home: Path
    host: str = "127.0.0.1"
    port: int = 8080
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = 8081
    grpc_port: int | None = None
    workers: int = 1
    control: ControlAddress | None = None
    routes: Sequence[Route] = ()
    spool_full: Literal["answer", "refuse"] = "answer"
    tokens: Sequence[str] = ()
    anonymous: bool = False
    ready_file: Path | None = None
    drain: float = 0.0
    grace: float = 25.0
    limits: Limits = field(default_factory=Limits)
    platform: Platform = field(default_factory=Platform)
    memory: int | None = None
    ahead: int = 16
    model_root: Path | None = None


def check_exposure(options: ServeOptions) -> None:
    """Refuses to be open to everybody by accident.

    Raises:
        UsageError: when others can reach the address and nothing is asked of them.
    """
    if options.tokens or options.anonymous or is_loopback(options.host):
        return
    raise UsageError(
        "serve.exposed",
        f"{options.host} is reachable by others, and no token is set",
        "Set HOLDFAST_TOKEN, or say with --anonymous (HOLDFAST_ANONYMOUS=1) that everybody may "
        "score.",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(options: ServeOptions) -> socket.socket:
    """The listening socket.

    Raises:
        UsageError: when the address cannot be had.
    """
    try:
        return socket.create_server(
            (options.host, options.port), family=_family(options.host), backlog=2048
        )
    except OSError as error:
        raise _taken(options.host, options.port, error) from error


@contextmanager
def hold_grpc(options: ServeOptions) -> Iterator[str]:
    """Holds the port of gRPC, on which the workers listen side by side (SO_REUSEPORT): gRPC takes
    an address, not a socket.

    Yields:
        Host and port; empty when gRPC is off.

    Raises:
        UsageError: when the address cannot be had, or gRPC is not installed.
    """
    if options.grpc_port is None:
        yield ""
        return
    if find_spec("grpc") is None or find_spec("google") is None:
        raise UsageError(
            "serve.no_grpc", "gRPC is not installed", "Install it: pip install 'holdfast[grpc]'."
        )
    family = _family(options.host)
    held = socket.socket(family)
    try:
        # Whoever is there already is found only by one who would not share.
        with socket.create_server((options.host, options.grpc_port), family=family) as alone:
            host, port = alone.getsockname()[:2]
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, port))
    except OSError as error:
        held.close()
        raise _taken(options.host, options.grpc_port, error) from error
    with held:
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _taken(host: str, port: int, error: OSError) -> UsageError:
    return UsageError(
        "serve.address",
        f"cannot listen on {host}:{port}: {error.strerror}",
        "Choose another port, or 0 for any free one.",
    )


def url_of(host: str, listening: socket.socket) -> str:
    """Where a listening socket is reached."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}"


def metrics_address(options: ServeOptions) -> tuple[str, int] | None:
    """Host and port of the metrics; ``None`` when they are not wanted."""
    if options.metrics_port is None:
        return None
    return options.metrics_host, options.metrics_port


def tell(
    options: ServeOptions, url: str, metrics_url: str, grpc: str, announce: Callable[[str], None]
) -> None:
    """Says where the server is: to the ready file, atomically, and to ``announce``."""
    if options.ready_file is not None:
        state = {
            "server": options.server, "url": url, "metrics_url": metrics_url, "grpc": grpc,
            "pid": os.getpid(),
        }  # fmt: skip
        draft = options.ready_file.with_suffix(".draft")
        draft.write_text(json.dumps(state), encoding="utf-8")
        draft.replace(options.ready_file)
    announce(url)
    if grpc:
        announce(f"grpc://{grpc}")
