"""How every HTTP port of the data plane is served."""

from __future__ import annotations

from functools import partial
from typing import Any

import uvicorn

from holdfast.serving.connections import Connections
from holdfast.serving.direct import DirectProtocol


def http_config(app: Any, connections: Connections, *, grace: float) -> uvicorn.Config:
    """Uvicorn with our protocol, and nothing a caller could steer: no headers of proxies are
    believed, no upgrade is made, and no header says what answers.

    Args:
        app: ASGI.
        connections: bounds of the port.
        grace: seconds that requests get to finish at the end.
    """
    return uvicorn.Config(
        app,
        http=partial(DirectProtocol, connections),  # type: ignore[arg-type]
        interface="asgi3",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(grace)),
    )
