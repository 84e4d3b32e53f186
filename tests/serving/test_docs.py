from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_examples_of_the_document_are_answered(toys: Any, task: str) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live(task)
        document = (await stand.call("GET", "/openapi.json")).json
        assert document["openapi"] == "3.1.0"
        scored = 0
        for path, item in document["paths"].items():
            if "post" not in item:
                assert (await stand.call("GET", path)).status == 200
                continue
            content = item["post"]["requestBody"]["content"]["application/json"]
            for example in content["examples"].values():
                answered = await stand.call("POST", path, example["value"])
                assert answered.status == 200, answered.body
                scored += 1
        assert scored == 6
        row = document["components"]["schemas"]["toy.Row"]
        assert row["properties"]["amount"]["type"] == ["number", "null"]
        assert row["properties"]["age"]["type"] == "number"
        assert row["required"] == [field.name for field in toys.INPUTS]

    toys.run(scene())


def test_references_are_all_there(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        await stand.live()
        answered = await stand.call("GET", "/openapi.json")
        names = re.findall(r'"#/components/schemas/([^"]+)"', answered.body.decode())
        schemas = answered.json["components"]["schemas"]
        for name in names:
            at, found = name.split("/"), schemas
            for part in at:
                found = found[unquote(part)]

    toys.run(scene())


def test_the_page_needs_no_internet(toys: Any) -> None:
    async def scene() -> None:
        stand = toys.Stand()
        page = await stand.call("GET", "/docs")
        assert page.status == 200
        assert "script-src 'self'" in page.headers["content-security-policy"]
        links = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.body.decode())
        assert len(links) == 3
        for link in links:
            assert "://" not in link
            asset = await stand.call("GET", "/" + link)
            assert asset.status == 200
            assert asset.body
        assert (await stand.call("GET", "/openapi.json")).json["paths"]

    toys.run(scene())
