"""Every path, every error, in the shape its clients expect; and nothing of the input in it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import threading
import zlib
from typing import Any

import pytest

from holdfast.serving.limits import Limits

SECRET = "hunter2"
SCORING = {
    "mlflow": ("/invocations", "dataframe_records"),
    "v1": ("/v1/models/toy:predict", "instances"),
    "v2": ("/v2/models/toy/infer", "inputs"),
}


def payload(contract: str, row: dict[str, Any]) -> dict[str, Any]:
    if contract != "v2":
        return {SCORING[contract][1]: [row]}
    kinds = {float: "FP64", int: "INT64", bool: "BOOL", str: "BYTES"}
    return {
        "inputs": [
            {"name": name, "datatype": kinds[type(value)], "shape": [1], "data": [value]}
            for name, value in row.items()
        ]
    }


def check_shape(contract: str, answered: Any) -> str:
    assert answered.headers["content-type"] == "application/json"
    assert SECRET not in answered.body.decode()
    assert "Traceback" not in answered.body.decode()
    assert "/work" not in answered.body.decode()
    if contract == "mlflow":
        assert answered.json.keys() == {"error_code", "message"}
        return str(answered.json["message"])
    assert answered.json.keys() == {"error"}
    return str(answered.json["error"])


@pytest.mark.parametrize("contract", SCORING)
def test_a_row_is_answered_and_the_answer_named(toys: Any, contract: str) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        answered = await stand.call(
            "POST", SCORING[contract][0], payload(contract, toys.ROW), {"x-request-id": "mine.1"}
        )
        assert answered.status == 200, answered.body
        assert answered.headers["x-holdfast-version"] == "1"
        assert answered.headers["x-request-id"] == "mine.1"
        (batch,) = stand.spool.batches
        assert answered.headers["x-holdfast-prediction-id"] == batch.request != "mine.1"

    toys.run(scene())


MALFORMED: list[tuple[str, bytes]] = [
    ("no JSON", b"{" + SECRET.encode()),
    ("NaN", b'{"instances": [{"age": NaN}]}'),
    ("Infinity", b'{"instances": [{"age": -Infinity}]}'),
    ("too large a number", b'{"instances": [{"age": 1e999}]}'),
    ("no UTF-8", b'{"instances": ["\xff"]}'),
    ("too deep", b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
    ("deeper than the parser goes", b"[" * 1_000_000),
    ("no object", b'["hunter2"]'),
    ("nothing", b""),
    ("an unknown form", b'{"hunter2": [1]}'),
    ("rows that are no list", b'{"instances": "hunter2"}'),
    ("rows that are no rows", b'{"instances": ["hunter2"]}'),
    ("rows of nothing", b'{"instances": []}'),
    ("a wrong type", b'{"instances": [{"age": "hunter2"}], "inputs": [{"name": "age"}]}'),
]


@pytest.mark.parametrize("contract", SCORING)
@pytest.mark.parametrize(("name", "body"), MALFORMED, ids=[case[0] for case in MALFORMED])
def test_what_is_malformed_is_refused(toys: Any, contract: str, name: str, body: bytes) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        answered = await stand.call("POST", SCORING[contract][0], body)
        assert answered.status == 400
        check_shape(contract, answered)
        assert stand.spool.batches == []

    toys.run(scene())


@pytest.mark.parametrize("contract", SCORING)
def test_cells_columns_media_types_and_methods(toys: Any, contract: str) -> None:
    async def scene() -> None:
        stand = toys.Stand(Limits(rows=2))
        await stand.live()
        path = SCORING[contract][0]
        for change, says in (
            ({"age": SECRET}, "age"),
            ({SECRET: 1.0}, "does not take"),
            ({"cuont": 1}, "Did you mean 'count'?"),
        ):
            answered = await stand.call("POST", path, payload(contract, {**toys.ROW, **change}))
            assert answered.status == 400
            assert says in check_shape(contract, answered)
        answered = await stand.call("POST", path, b"x", {"content-type": "text/html"})
        assert answered.status == 415
        check_shape(contract, answered)
        answered = await stand.call("DELETE", path)
        assert answered.status == 405
        assert answered.headers["allow"] == "POST"
        check_shape(contract, answered)

    toys.run(scene())


@pytest.mark.parametrize("contract", SCORING)
def test_a_model_that_fails_says_nothing_of_itself(toys: Any, contract: str, caplog: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        (await stand.live()).fails = True
        answered = await stand.call("POST", SCORING[contract][0], payload(contract, toys.ROW))
        assert answered.status == 500
        assert "secret detail" not in check_shape(contract, answered)
        assert [batch.error for batch in stand.spool.batches] == ["bundle.failed"]

    toys.run(scene())
    assert "secret detail" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "contract"),
    [
        ("GET", "/nothing", 404, "other"),
        ("GET", "/docs/nothing.js", 404, "other"),
        ("POST", "/docs", 405, "other"),
        ("POST", "/ping", 405, "mlflow"),
        ("POST", "/", 405, "v1"),
        ("GET", "/v1", 404, "v1"),
        ("GET", "/v1/models/", 404, "v1"),
        ("GET", "/v1/models/no", 404, "v1"),
        ("GET", "/v1/models/a/b", 404, "v1"),
        ("POST", "/v1/models/no:predict", 404, "v1"),
        ("POST", "/v1/models", 405, "v1"),
        ("GET", "/v2/nothing", 404, "v2"),
        ("GET", "/v2/models/", 404, "v2"),
        ("GET", "/v2/models/no", 404, "v2"),
        ("GET", "/v2/models/no/ready", 404, "v2"),
        ("GET", "/v2/models/toy/versions/9", 404, "v2"),
        ("GET", "/v2/models/toy/versions/x/ready", 404, "v2"),
        ("POST", "/v2/models/toy/versions/9/infer", 404, "v2"),
        ("GET", "/v2/models/toy/infer", 405, "v2"),
        ("GET", "/v2/models/toy/a/b/c", 404, "v2"),
        ("POST", "/invocations?model=no", 404, "mlflow"),
    ],
)
def test_paths_that_are_not_there(
    toys: Any, method: str, path: str, status: int, contract: str
) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        answered = await stand.call(method, path, {} if method == "POST" else None)
        assert answered.status == status, answered.body
        check_shape(contract, answered)

    toys.run(scene())


def test_health_before_with_and_after_a_model(toys: Any) -> None:
    async def statuses(stand: Any, *paths: str) -> list[int]:
        return [(await stand.call("GET", path)).status for path in paths]

    async def scene() -> None:
        stand = toys.Stand()
        ready = ("/ping", "/health", "/v2/health/ready")
        assert await statuses(stand, *ready, "/v2/health/live", "/") == [404, 404, 503, 200, 200]
        answered = await stand.call("POST", "/invocations", {"instances": []})
        assert answered.status == 503
        assert answered.headers["retry-after"]
        await stand.live()
        assert await statuses(stand, *ready) == [200] * 3
        stand.spool.healthy = False
        assert await statuses(stand, *ready, "/v1/models/toy", "/v2/models/toy/ready") == [503] * 5
        assert await statuses(stand, "/v2/health/live") == [200]
        stand.spool.healthy = True
        stand.server.draining = True
        answered = await stand.call("GET", "/ping")
        assert (answered.status, answered.headers["connection"]) == (503, "close")

    toys.run(scene())


def test_several_models(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        stand.shelf.put("sha256:2", toys.Toy("regression", model="other"))
        await stand.server.apply(toys.route(1, toys.arm(2, 1.0), model="other"))
        body = {"instances": [toys.ROW]}
        answered = await stand.call("POST", "/invocations", body)
        assert answered.status == 400
        assert "other, toy" in check_shape("mlflow", answered)
        for path, headers in (
            ("/invocations", {"x-holdfast-model": "other"}),
            ("/invocations?model=other", {}),
        ):
            answered = await stand.call("POST", path, body, headers)
            assert answered.json == {"predictions": [44.5]}
        models = (await stand.call("GET", "/v1/models")).json
        assert models["models"] == ["other", "toy"]
        assert [model["id"] for model in models["data"]] == ["other", "toy"]
        assert models["object"] == "list"

    toys.run(scene())


def test_bodies_are_bounded(toys: Any) -> None:
    async def scene() -> None:
        limits = Limits(body=200, unpacked=2000, rows=5)
        stand = toys.Stand(limits)
        await stand.live()
        big = b"{" + b" " * 300 + b"}"
        for body, headers in (
            (big, {"content-length": "302"}),
            (big, {}),
            ([b" " * 150, b" " * 150], {}),
            (gzip.compress(b" " * 3000), {"content-encoding": "gzip"}),
            (zlib.compress(b" " * 3000), {"content-encoding": "deflate"}),
        ):
            answered = await stand.call("POST", "/invocations", body, headers)
            assert answered.status == 413
            check_shape("mlflow", answered)
        for body, headers, status in (
            (b"{}", {"content-encoding": "br"}, 415),
            (b"{}", {"content-encoding": "gzip"}, 400),
            (gzip.compress(b"{}")[:-3], {"content-encoding": "gzip"}, 400),
            (gzip.compress(b"{}") + b"x", {"content-encoding": "gzip"}, 400),
        ):
            answered = await stand.call("POST", "/invocations", body, headers)
            assert answered.status == status
            check_shape("mlflow", answered)

    toys.run(scene())


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
def test_packed_bodies_in_parts(toys: Any, encoding: str) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        plain = json.dumps({"instances": [toys.ROW]}).encode()
        packed = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
        packed = packed[2:-4] if encoding == "raw deflate" else packed
        headers = {"content-encoding": encoding.split()[-1]}
        answered = await stand.call("POST", "/invocations", [packed[:9], packed[9:]], headers)
        assert answered.status == 200

    toys.run(scene())


def test_too_many_at_once_are_told_to_come_back(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand(Limits(in_flight=1, inline_rows=0))
        toy = await stand.live()
        toy.gate = threading.Event()
        body = {"instances": [toys.ROW]}
        first = asyncio.create_task(stand.call("POST", "/invocations", body))
        await toys.until(lambda: stand.server.in_flight)
        answered = await stand.call("POST", "/v2/models/toy/infer", {})
        assert answered.status == 503
        assert answered.headers["retry-after"] == "1"
        check_shape("v2", answered)
        toy.gate.set()
        assert (await first).status == 200
        assert stand.server.in_flight == 0

    toys.run(scene())


def test_tokens(toys: Any) -> None:
    from holdfast.serving.app import create_app

    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        app = create_app(stand.server, tokens=[hashlib.sha256(b"good").hexdigest()])
        body = {"instances": [toys.ROW]}
        paths = ("/invocations", "/v1/models/toy:predict", "/v2/models/toy", "/docs", "/version",
                 "/openapi.json", "/v1/models", "/v2", "/nothing")  # fmt: skip
        for headers in ({}, {"authorization": "Bearer bad"}, {"authorization": "Basic good"}):
            for path in paths:
                answered = await toys.call(app, "POST", path, body, headers)
                assert answered.status == 401, path
                assert answered.headers["www-authenticate"] == "Bearer"
        answered = await toys.call(
            app, "POST", "/invocations", body, {"authorization": "Bearer good"}
        )
        assert answered.status == 200
        for path in ("/", "/ping", "/health", "/v2/health/ready", "/v2/health/live"):
            assert (await toys.call(app, "GET", path)).status == 200

    toys.run(scene())


@pytest.mark.parametrize("sent", ["", "a b", "x" * 101, "a\u00e9", "<script>"])
def test_request_ids_that_are_not_safe_are_not_repeated(toys: Any, sent: str) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        answered = await stand.call(
            "POST", "/invocations", {"instances": [toys.ROW]}, {"x-request-id": sent}
        )
        assert answered.status == 200
        assert "x-request-id" not in answered.headers

    toys.run(scene())
