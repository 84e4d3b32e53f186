"""BentoML, one worker; with BENCH_BATCH=1 its adaptive batching."""

import os
from typing import Any

import bentoml
from common import estimator, score

BATCH = os.environ.get("BENCH_BATCH") == "1"


@bentoml.service(workers=1, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Service:
    def __init__(self) -> None:
        self.model = estimator()

    @bentoml.api(batchable=BATCH, max_batch_size=512, max_latency_ms=10_000)
    def predict(self, rows: list[dict[str, Any]]) -> list[float]:
        return score(self.model, rows)
