"""Runs in an environment with kserve: its clients for V1, V2 and gRPC."""

import sys

sys.path.pop(0)  # this file's folder: it has this file's name

import asyncio
import json

import httpx
import kserve
import numpy as np

given = json.loads(sys.argv[1])
DATATYPES = {"size": "FP64", "heat": "FP64", "kind": "BYTES"}
columns = given["columns"]
base = f"http://{given['http']}"


def request(*, binary):
    tensors = []
    for name, values in columns.items():
        kind = np.object_ if DATATYPES[name] == "BYTES" else np.float64
        tensor = kserve.InferInput(name, [len(values)], DATATYPES[name])
        tensor.set_data_from_numpy(np.array(values, dtype=kind), binary_data=binary)
        tensors.append(tensor)
    return kserve.InferRequest(model_name="tiny", request_id="mine", infer_inputs=tensors)


def told(response):
    assert response.id == "mine"
    found = {output.name: output.as_numpy().tolist() for output in response.outputs}
    return {name: found[name] for name in ("prediction", "probability")}


async def main():
    found = {}
    v1 = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v1"))
    assert await v1.is_server_live(base)
    assert await v1.is_model_ready(base, "tiny")
    every = zip(*columns.values(), strict=True)
    rows = [dict(zip(columns, row, strict=True)) for row in every]
    found["v1"] = await v1.infer(base, {"instances": rows}, "tiny")
    v2 = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2"))
    assert await v2.is_server_live(base)
    assert await v2.is_server_ready(base)
    assert await v2.is_model_ready(base, "tiny")
    assert not await v2.is_model_ready(base, "other")
    for binary in (False, True):
        found[f"v2 {binary}"] = told(await v2.infer(base, request(binary=binary), "tiny"))
    try:
        await v2.infer(base, request(binary=False), "other")
        raise AssertionError("a model that does not exist answered")
    except httpx.HTTPStatusError as error:
        found["error"] = str(error)
    async with kserve.InferenceGRPCClient(given["grpc"], use_ssl=False) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("tiny")
        found["grpc"] = told(await client.infer(request(binary=False)))
        found["grpc raw"] = told(await client.infer(request(binary=True)))
    return found


sys.stdout.write(json.dumps(asyncio.run(main())))
