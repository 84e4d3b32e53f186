from collections.abc import Callable, Iterator
from typing import Any

import pytest
from httpx import Client

from holdfast.control.auth import COOKIE
from holdfast.control.sign_in import own_path

TOKEN = "a+long/random=token"


@pytest.fixture
def client(make_world: Callable[..., Any], run: Any) -> Iterator[Client]:
    world = make_world(HOLDFAST_TOKEN=TOKEN)
    with run(world.container) as client:
        yield client
    world.container.store.close()


def test_the_token_opens_the_pages(client: Client) -> None:
    assert client.get("/").status_code == 401 or "Sign in" in client.get("/").text
    answer = client.post(
        "/sign-in", data={"token": TOKEN, "onward": "/models/x"}, follow_redirects=False
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/models/x"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    page = client.get("/")
    assert page.status_code == 200
    assert "Sign out" in page.text
    client.post("/sign-out", follow_redirects=False)
    assert COOKIE not in client.cookies


def test_a_wrong_token_does_not(client: Client) -> None:
    answer = client.post("/sign-in", data={"token": "wrong"}, follow_redirects=False)
    assert answer.status_code == 401
    assert "This is not the token." in answer.text
    assert "set-cookie" not in answer.headers
    assert TOKEN not in answer.text


@pytest.mark.parametrize("onward", ["//evil.example", "https://evil.example", "/\\evil", "/a\nb"])
def test_nobody_is_sent_to_another_site(client: Client, onward: str) -> None:
    assert own_path(onward) == "/"
    answer = client.post(
        "/sign-in", data={"token": TOKEN, "onward": onward}, follow_redirects=False
    )
    assert answer.headers["location"] == "/"


def test_without_a_token_nobody_is_asked(world: Any, run: Any) -> None:
    with run(world.container) as client:
        assert "asks for no token" in client.get("/sign-in").text
        assert client.post("/sign-in", data={"token": ""}).status_code == 401


def test_a_token_that_no_cookie_holds_is_told(make_world: Callable[..., Any], run: Any) -> None:
    world = make_world(HOLDFAST_TOKEN="with; semicolon")
    with run(world.container) as client:
        answer = client.post("/sign-in", data={"token": "with; semicolon"})
    assert answer.status_code == 400
    assert "no cookie can hold" in answer.text
    world.container.store.close()
