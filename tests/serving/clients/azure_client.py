"""Azure ML's local endpoint and deployment, with the engine of ``engine.py`` in place of Docker."""

import json
import sys
from pathlib import Path

import docker
import docker.types
from azure.ai.ml import MLClient, load_online_deployment, load_online_endpoint
from azure.core.credentials import AccessToken
from engine import Engine

folder, rows = Path(sys.argv[1]), json.loads(sys.argv[2])


class Nobody:
    """Local deployments talk to no cloud, so that no credential is ever needed."""

    def get_token(self, *_scopes, **_):
        return AccessToken("none", 2**31)


engine = Engine()
docker.from_env = lambda: engine
client = MLClient(Nobody(), "00000000-0000-0000-0000-000000000000", "group", "workspace")
try:
    endpoint = load_online_endpoint(folder / "endpoint.yml")
    client.online_endpoints.begin_create_or_update(endpoint, local=True)
    deployment = load_online_deployment(folder / "deployment.yml")
    client.online_deployments.begin_create_or_update(deployment, local=True)
    request = folder / "request.json"
    answers = {}
    for name in ("input_data", "data"):
        request.write_text(json.dumps({name: rows}))
        answers[name] = json.loads(
            client.online_endpoints.invoke(endpoint.name, request_file=request, local=True)
        )
    routes = deployment.environment.inference_config
    slots = deployment.request_settings.max_concurrent_requests_per_instance
finally:
    engine.close()
print(json.dumps({"answers": answers, "scoring": routes["scoring_route"], "slots": slots}))
