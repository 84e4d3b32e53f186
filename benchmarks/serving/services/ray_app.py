"""Ray Serve, one replica."""

from __future__ import annotations

import signal
import sys
from typing import Any

import ray
from common import estimator, score
from ray import serve
from starlette.requests import Request


@serve.deployment(
    num_replicas=1, max_ongoing_requests=100, logging_config={"enable_access_log": False}
)
class Service:
    def __init__(self) -> None:
        self.model = estimator()

    async def __call__(self, request: Request) -> Any:
        return {"probability": score(self.model, (await request.json())["rows"])}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Service.bind(), route_prefix="/predict")
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    serve.shutdown()
    ray.shutdown()
