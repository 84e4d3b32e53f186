"""The card of a version, and the report of a model, as the dashboard serves them."""

from typing import Any

import pytest
from httpx import Client

MODEL = "flight-delay"


def test_a_card_is_a_page(client: Client) -> None:
    answer = client.get(f"/models/{MODEL}/versions/5/card")
    assert answer.status_code == 200
    assert "where origin is LGA" in answer.text
    assert "holdfast card 5 --html card.html" in answer.text
    assert f'href="/models/{MODEL}/versions/5/card"' in client.get(f"/models/{MODEL}").text


@pytest.mark.parametrize("path", ["/models/nothing/versions/1/card", "/models/nothing/report"])
def test_of_what_is_unknown_there_is_none(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_number_that_is_none_is_refused_with_a_page(client: Client) -> None:
    answer = client.get(f"/models/{MODEL}/versions/x/card", headers={"Accept": "text/html"})
    assert answer.status_code == 422
    assert "malformed" in answer.text


def test_a_report_is_served_and_may_do_nothing(client: Client, busy: Any) -> None:
    start = f"{busy.clock.now():%Y-%m}-01"
    answer = client.get(f"/models/{MODEL}/report", params={"from": start})
    assert answer.status_code == 200
    assert f"{start} 00:00" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script" not in policy
    wrong = client.get(f"/models/{MODEL}/report", params={"from": start, "to": "2013-01-01"})
    assert wrong.status_code == 400
