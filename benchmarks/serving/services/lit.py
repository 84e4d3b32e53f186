"""LitServe, one worker, no batching (its default)."""

import sys
from typing import Any

import litserve
from common import estimator, score
from fastapi import Request


class Api(litserve.LitAPI):
    def setup(self, _device: str) -> None:
        self.model = estimator()

    # It reads the annotation: a type other than its own becomes a parameter of the query.
    def decode_request(self, request: Request, **_: Any) -> Any:
        return request["rows"]  # type: ignore[index]

    def predict(self, rows: Any, **_: Any) -> Any:
        return score(self.model, rows)

    def encode_response(self, found: Any, **_: Any) -> Any:
        return {"probability": found}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(
        port=int(sys.argv[1]),
        host="127.0.0.1",
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
