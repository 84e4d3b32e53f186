"""MLflow's own client of its scoring server; prints what it got."""

import json
import sys

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

port, rows = sys.argv[1], json.loads(sys.argv[2])
client = ScoringServerClient("127.0.0.1", int(port))
client.wait_server_ready(timeout=60)
frame = pd.DataFrame(rows)
asked = {
    "frame": frame,
    "instances": frame.fillna(0.0).to_numpy(),
}
answers = {}
for name, data in asked.items():
    predictions = client.invoke(data).get_predictions()
    answers[name] = predictions["probability"].tolist()
try:
    client.invoke(frame, params={"temperature": 1})
except Exception as error:  # noqa: BLE001 (it raises no other)
    answers["params"] = str(error)
print(json.dumps({"version": client.get_version(), "answers": answers}))
