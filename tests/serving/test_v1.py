from __future__ import annotations

from typing import Any


def test_models_predict_and_root(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live("regression")
        assert (await stand.call("GET", "/")).json == {"status": "alive"}
        model = (await stand.call("GET", "/v1/models/toy")).json
        assert model == {
            "name": "toy", "ready": True, "id": "toy", "object": "model",
            "created": int(toys.NOW.timestamp()), "owned_by": "holdfast",
        }  # fmt: skip
        for body in ({"instances": [toys.ROW]}, {"inputs": [toys.ROW]}):
            answered = await stand.call("POST", "/v1/models/toy:predict", body)
            assert answered.json == {"predictions": [44.5]}
        answered = await stand.call(
            "POST", "/v1/models/toy:predict", {"instances": [toys.ROW], "more": 1}
        )
        assert answered.status == 400

    toys.run(scene())
