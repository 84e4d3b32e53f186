"""Azure ML's local endpoint and deployment, with the engine of ``engine.py`` in place of Docker."""

import json
import os
import sys
from pathlib import Path

os.environ["HOME"] = sys.argv[1]  # where the SDK keeps the endpoints of this machine

import docker
import docker.types
from azure.ai.ml import MLClient, load_online_deployment, load_online_endpoint
from azure.ai.ml.entities import CodeConfiguration
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
    # The local runner of azure-ai-ml 1.35.2 fails on a deployment without code, which a container
    # of one's own does not have: it takes the absent folder for one that is called None.
    (folder / "code").mkdir()
    (folder / "code" / "unused.py").touch()
    deployment.code_configuration = CodeConfiguration(str(folder / "code"), "unused.py")
    client.online_deployments.begin_create_or_update(deployment, local=True)
    request = folder / "request.json"
    answers = {}
    for name in ("input_data", "data"):
        request.write_text(json.dumps({name: rows}))
        answers[name] = json.loads(
            client.online_endpoints.invoke(endpoint.name, request_file=request, local=True)
        )
    route = deployment.environment.inference_config.scoring_route
    scoring = {"path": route.path, "port": route.port}
    slots = deployment.request_settings.max_concurrent_requests_per_instance
finally:
    engine.close()
print(json.dumps({"answers": answers, "scoring": scoring, "slots": slots}))
