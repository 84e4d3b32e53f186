"""Runs in an environment with tritonclient: the same rows over HTTP and gRPC, in every form."""

import json
import sys

import numpy as np
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

given = json.loads(sys.argv[1])
DATATYPES = {"size": "FP64", "heat": "FP64", "kind": "BYTES"}


def inputs(module, *, binary=None):
    made = []
    for name, values in given["columns"].items():
        kind = np.object_ if DATATYPES[name] == "BYTES" else np.float64
        tensor = module.InferInput(name, [len(values)], DATATYPES[name])
        data = np.array(values, dtype=kind)
        if binary is None:
            tensor.set_data_from_numpy(data)
        else:
            tensor.set_data_from_numpy(data, binary_data=binary)
        made.append(tensor)
    return made


def told(result):
    parameters = result.get_response(**({"as_json": True} if GRPC else {}))["parameters"]
    identity = parameters["prediction_id"]
    return {
        "prediction": result.as_numpy("prediction").tolist(),
        "probability": result.as_numpy("probability").tolist(),
        "id": identity["string_param"] if GRPC else identity,
    }


found = {}
GRPC = False
with tritonclient.http.InferenceServerClient(given["http"]) as client:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", given["version"])
    assert not client.is_model_ready("tiny", "99")
    assert not client.is_model_ready("other")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    found["metadata"] = client.get_model_metadata("tiny")
    for binary in (True, False):
        for wanted in (True, False):
            outputs = [
                tritonclient.http.InferRequestedOutput(name, binary_data=wanted)
                for name in ("probability", "prediction")
            ]
            tensors = inputs(tritonclient.http, binary=binary)
            result = client.infer("tiny", tensors, outputs=outputs, request_id="mine")
            assert result.get_response()["id"] == "mine"
            found[f"http {binary} {wanted}"] = told(result)
    for packed in ("gzip", "deflate"):
        found[f"http {packed}"] = told(
            client.infer(
                "tiny", inputs(tritonclient.http), model_version=given["version"],
                request_compression_algorithm=packed, response_compression_algorithm=packed,
            )
        )  # fmt: skip
    try:
        client.infer("other", inputs(tritonclient.http))
        raise AssertionError("a model that does not exist answered")
    except InferenceServerException as error:
        found["http error"] = [error.status(), error.message()]
    try:
        client.get_model_repository_index()
        raise AssertionError("there is no repository here")
    except InferenceServerException as error:
        found["http 404"] = [error.status(), error.message()]

GRPC = True
with tritonclient.grpc.InferenceServerClient(given["grpc"]) as client:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("tiny")
    assert client.is_model_ready("tiny", given["version"])
    assert not client.is_model_ready("other")
    assert "binary_tensor_data" in client.get_server_metadata().extensions
    found["grpc metadata"] = client.get_model_metadata("tiny", as_json=True)
    for packed in (None, "gzip", "deflate"):
        result = client.infer(
            "tiny", inputs(tritonclient.grpc), request_id="mine", compression_algorithm=packed,
            headers={"x-holdfast-routing-key": "k"}, client_timeout=60.0,
        )  # fmt: skip
        assert result.get_response().id == "mine"
        found[f"grpc {packed}"] = told(result)
    asked = [tritonclient.grpc.InferRequestedOutput("probability")]
    only = client.infer("tiny", inputs(tritonclient.grpc), outputs=asked)
    assert [output.name for output in only.get_response().outputs] == ["probability"]
    try:
        client.infer("other", inputs(tritonclient.grpc))
        raise AssertionError("a model that does not exist answered")
    except InferenceServerException as error:
        found["grpc error"] = [error.status(), error.message()]
sys.stdout.write(json.dumps(found))
