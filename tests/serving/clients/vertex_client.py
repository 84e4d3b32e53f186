"""Vertex AI's LocalEndpoint, with the engine of ``engine.py`` in place of Docker."""

import json
import sys

import docker
from engine import Engine
from google.cloud.aiplatform.prediction import LocalEndpoint

holdfast, bundle, rows = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
engine = Engine()
docker.from_env = lambda: engine
try:
    with LocalEndpoint(
        holdfast,
        artifact_uri=bundle,
        serving_container_predict_route="/answer",
        serving_container_health_route="/alive",
        serving_container_environment_variables={"HOLDFAST_SERVER": "vertex"},
        container_ready_timeout=120,
    ) as endpoint:
        health = endpoint.run_health_check()
        body = json.dumps({"instances": rows, "parameters": None})
        answer = endpoint.predict(body, headers={"Content-Type": "application/json"})
        bare = endpoint.predict(body)
        refused = endpoint.predict(json.dumps({"instances": rows, "parameters": {"k": 1}}))
finally:
    engine.close()
print(
    json.dumps(
        {
            "health": health.status_code,
            "answer": answer.json(),
            "bare": bare.status_code,
            "refused": [refused.status_code, refused.json()],
        }
    )
)
