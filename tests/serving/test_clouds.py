"""SageMaker, Vertex AI and Azure ML, through the application."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.serving.app import create_app
from holdfast.serving.platforms import Platform, read_platform

VERTEX = Platform(name="vertex", health="/alive", predict="/answer")


def stand_on(toys: Any, platform: Platform, tokens: tuple[str, ...] = ()) -> Any:
    stand = toys.Stand()
    stand.app = create_app(stand.server, tokens=tokens, platform=platform)
    return stand


def test_sagemaker_passes_the_prediction_id_through_the_one_header_it_keeps(toys: Any) -> None:
    async def scene() -> None:
        stand = stand_on(toys, Platform(name="sagemaker"))
        await stand.live()
        answered = await stand.call("POST", "/invocations", {"instances": [toys.ROW]})
        given = answered.headers
        assert given["x-amzn-sagemaker-custom-attributes"] == (
            f"holdfast-prediction-id={given['x-holdfast-prediction-id']},holdfast-version=1"
        )
        plain = await toys.call(
            create_app(stand.server), "POST", "/invocations", {"instances": [toys.ROW]}
        )
        assert "x-amzn-sagemaker-custom-attributes" not in plain.headers
        refused = await stand.call("POST", "/invocations", {"instances": [{}]})
        assert (refused.status, refused.json["error_code"]) == (400, "BAD_REQUEST")

    toys.run(scene())


def test_sagemaker_names_the_form_of_answers_to_who_names_none(toys: Any) -> None:
    async def scene() -> None:
        environ = {"SAGEMAKER_BIND_TO_PORT": "8080"}
        environ["SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"] = "text/csv"
        stand = stand_on(toys, read_platform(environ))
        await stand.live("regression")
        body = {"instances": [toys.ROW, toys.ROW]}
        answered = await stand.call("POST", "/invocations", body)
        assert answered.body == b"44.5\n44.5\n"
        accept = {"accept": "application/json"}
        assert (await stand.call("POST", "/invocations", body, accept)).json["predictions"]

    toys.run(scene())


def test_execution_parameters_stay_within_a_batch(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        found = (await stand.call("GET", "/execution-parameters")).json
        assert found["BatchStrategy"] == "MULTI_RECORD"
        assert found["MaxPayloadInMB"] == 6
        assert 1 <= found["MaxConcurrentTransforms"] <= 100 // 6

    toys.run(scene())


def test_vertex_on_the_paths_that_it_chose(toys: Any) -> None:
    async def scene() -> None:
        stand = stand_on(toys, VERTEX)
        before = await stand.call("GET", "/alive")
        assert (before.status, list(before.json)) == (503, ["error"])
        assert (await stand.call("POST", "/answer", {"instances": [toys.ROW]})).status == 503
        await stand.live("regression")
        assert (await stand.call("GET", "/alive")).status == 200
        for more in ({}, {"parameters": None}, {"parameters": {}}):
            answered = await stand.call("POST", "/answer", {"instances": [toys.ROW], **more})
            assert answered.json == {"predictions": [44.5]}
        for wrong in (
            {"instances": [toys.ROW], "parameters": {"temperature": 1}},
            {"instances": [toys.ROW], "more": 1},
            {"inputs": [toys.ROW]},
            {"instances": []},
        ):
            refused = await stand.call("POST", "/answer", wrong)
            assert (refused.status, list(refused.json)) == (400, ["error"])
        assert (await stand.call("GET", "/answer")).headers["allow"] == "POST"
        # rawPredict sends what it is given to the same port
        assert (await stand.call("POST", "/invocations", {"inputs": [toys.ROW]})).status == 200
        assert {"/alive", "/answer"} <= (await stand.call("GET", "/openapi.json")).json[
            "paths"
        ].keys()

    toys.run(scene())


def test_vertex_may_choose_one_path_for_both_or_the_default_ones(toys: Any) -> None:
    async def scene() -> None:
        ids = {"AIP_HTTP_PORT": "8080", "AIP_ENDPOINT_ID": "1", "AIP_DEPLOYED_MODEL_ID": "2"}
        path = "/v1/endpoints/1/deployedModels/2"
        for platform, health, predict in (
            (Platform(name="vertex", health="/", predict="/"), "/", "/"),
            (read_platform(ids), path, f"{path}:predict"),
        ):
            stand = stand_on(toys, platform)
            await stand.live()
            assert (await stand.call("GET", health)).status == 200
            assert (await stand.call("HEAD", health)).body == b""
            answered = await stand.call("POST", predict, {"instances": [toys.ROW]})
            assert answered.json["predictions"][0]["prediction"] is True

    toys.run(scene())


def test_a_path_that_scores_anyway_keeps_its_form(toys: Any) -> None:
    async def scene() -> None:
        for predict, health in (("/invocations", "/invocations"), ("/v2/models/toy/infer", "/x")):
            stand = stand_on(toys, Platform(name="vertex", health=health, predict=predict))
            await stand.live()
            assert (await stand.call("GET", health)).status == 200
            document = (await stand.call("GET", "/openapi.json")).json
            content = document["paths"][predict]["post"]["requestBody"]["content"]
            for example in content["application/json"]["examples"].values():
                assert (await stand.call("POST", predict, example["value"])).status == 200

    toys.run(scene())


def test_the_health_check_needs_no_token(toys: Any) -> None:
    async def scene() -> None:
        stand = stand_on(toys, VERTEX, tokens=("0" * 64,))
        await stand.live()
        assert (await stand.call("GET", "/alive")).status == 200
        refused = await stand.call("POST", "/answer", {"instances": [toys.ROW]})
        assert refused.status == 401

    toys.run(scene())


def test_azure_in_all_its_forms(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live("regression")
        cells = list(toys.ROW.values())
        split = {"columns": list(toys.ROW), "index": [0], "data": [cells]}
        for body in (
            {"input_data": split},
            {"input_data": [toys.ROW]},
            {"input_data": [cells], "params": {}},
            {"data": [toys.ROW]},
            {"data": [cells]},
            {"dataframe_records": [toys.ROW]},
        ):
            answered = await stand.call("POST", "/score", body)
            assert answered.json == {"predictions": [44.5]}, body
        for wrong in (
            {"input_data": [toys.ROW], "params": {"top_k": 1}},
            {"input_data": [toys.ROW], "data": [toys.ROW]},
            {"input_data": "x"},
            {"input_data": {"data": [cells], "more": 1}},
            {},
        ):
            refused = await stand.call("POST", "/score", wrong)
            assert (refused.status, list(refused.json)) == (400, ["error"]), wrong
        kind = {"content-type": "text/plain"}
        assert (await stand.call("POST", "/score", b"x", kind)).status == 415

    toys.run(scene())


def test_azure_gets_its_ids_back_on_every_answer(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        ids = {"x-request-id": "|a.b<1>", "x-ms-client-request-id": "c" * 100}
        for body, status in (({"data": [toys.ROW]}, 200), ({"data": []}, 400)):
            answered = await stand.call("POST", "/score", body, ids)
            assert answered.status == status
            assert {name: answered.headers[name] for name in ids} == ids
        own = (await stand.call("POST", "/score", {"data": [toys.ROW]})).headers
        assert own["x-request-id"] == own["x-holdfast-prediction-id"]
        assert "x-ms-client-request-id" not in own
        odd = {"x-ms-client-request-id": "a b\u00e9"}
        answered = await stand.call("POST", "/score", {"data": [toys.ROW]}, odd)
        assert "x-ms-client-request-id" not in answered.headers

    toys.run(scene())


@pytest.mark.parametrize("name", ["x-request-id", "x-ms-client-request-id"])
def test_azure_refuses_ids_that_are_too_long(toys: Any, name: str) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        answered = await stand.call("POST", "/score", {"data": [toys.ROW]}, {name: "x" * 101})
        assert (answered.status, list(answered.json)) == (431, ["error"])
        assert stand.spool.batches == []

    toys.run(scene())
