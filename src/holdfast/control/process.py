"""Runs the control plane as a process."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from holdfast.control.app import create_app
from holdfast.control.auth import require_token_off_loopback
from holdfast.errors import ConflictError
from holdfast.loop.container import Container
from holdfast.loop.settings import CONTROL_PORT
from holdfast.spec import FILE_NAME

log = logging.getLogger("holdfast")

PROXIES = "127.0.0.1,::1"
"""Where a proxy is believed to say what the browser asked for, unless told otherwise."""


def run(container: Container, host: str = "127.0.0.1", port: int | None = None) -> int:
    """Serves API, dashboard and reconciler until SIGTERM or SIGINT; returns 0.

    Its address is left in ``run/control.json`` of the home, where commands and servers find it.

    Raises:
        UsageError: off loopback without a token.
        ConflictError: when the port is taken.
    """
    require_token_off_loopback(host, container.settings.token)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if container.project is not None and (container.project / FILE_NAME).exists():
        container.project_spec()
    app = create_app(container)
    with _listen(host, CONTROL_PORT if port is None else port) as listening:
        url = f"http://{_shown(host)}:{listening.getsockname()[1]}"
        file = container.settings.folder("run") / "control.json"
        _write(file, {"url": url, "pid": os.getpid()})
        log.info("control plane and dashboard at %s", url)
        try:
            _Server(server_config(app)).run(sockets=[listening])
        finally:
            if _owner(file) == os.getpid():
                file.unlink(missing_ok=True)
    return 0


class _Server(uvicorn.Server):
    """uvicorn, whose waiting requests are answered when it is told to stop."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.config.app.state.bus.close()  # type: ignore[union-attr]
        super().handle_exit(sig, frame)


def server_config(app: FastAPI, environ: Mapping[str, str] = os.environ) -> uvicorn.Config:
    """How the application is served.

    A proxy in front that ends TLS says so in ``X-Forwarded-Proto``; without it, forms sent from
    ``https://`` would seem to come from another site. Only the addresses of
    ``FORWARDED_ALLOW_IPS`` are believed, by default those of this machine.
    """
    return uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=2,
        proxy_headers=True, forwarded_allow_ips=environ.get("FORWARDED_ALLOW_IPS") or PROXIES,
    )  # fmt: skip


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConflictError(
            "control.port",
            f"cannot listen on {host}:{port}: {error.strerror}",
            "Stop what listens there, or choose another with --port (0 picks a free one).",
        ) from None
    return listening


def _shown(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104


def _write(file: Path, content: dict[str, object]) -> None:
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.write_text(json.dumps(content))
    draft.replace(file)


def _owner(file: Path) -> int | None:
    try:
        owner = json.loads(file.read_text())["pid"]
    except (OSError, ValueError, KeyError):
        return None
    return int(owner)
