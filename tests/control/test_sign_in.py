from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx import Client

from holdfast.control.auth import COOKIE
from holdfast.control.sign_in import own_path
from holdfast.errors import UsageError
from holdfast.loop.settings import load_settings

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


@pytest.mark.parametrize("token", ["with; semicolon", "a b", "schlüssel", "a\nb", '"quoted"'])
def test_a_token_that_no_cookie_holds_is_refused_at_start(tmp_path: Path, token: str) -> None:
    with pytest.raises(UsageError, match="HOLDFAST_TOKEN has characters") as caught:
        load_settings(tmp_path, {"HOLDFAST_TOKEN": token})
    assert token not in str(caught.value)


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("method", "path", "onward"),
    [("GET", "/models/x/history?before=3&y=%26", "/models/x/history?before=3&y=%26"),
     ("GET", "/nowhere", "/nowhere"), ("POST", "/models/x/rollback", "/models/x/rollback"),
     ("POST", "/sign-out", "/")],
)  # fmt: skip
def test_an_expired_sign_in_leads_to_the_page_and_back(
    client: Client, method: str, path: str, onward: str
) -> None:
    answer = client.request(method, path, headers=BROWSER, follow_redirects=False)
    assert answer.status_code == 303
    url = answer.next_request.url
    assert url.path == "/sign-in"
    assert url.params["onward"] == onward
    answer = client.request(method, path, follow_redirects=False)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "auth.token"


def test_the_api_answers_in_json_whoever_asks(client: Client) -> None:
    answer = client.get("/api/v1/models", headers=BROWSER, follow_redirects=False)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "auth.token"


def test_a_form_of_another_site_is_refused_with_a_page(client: Client) -> None:
    foreign = {**BROWSER, "Origin": "https://evil.example"}
    answer = client.post("/sign-in", data={"token": TOKEN}, headers=foreign)
    assert answer.status_code == 403
    assert "another site" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("trusted", "status"), [(None, 303), ("127.0.0.1", 303), ("10.0.0.7", 403), ("*", 303)]
)
def test_forms_come_through_a_proxy_that_ends_tls(
    make_world: Callable[..., Any], run: Any, trusted: str | None, status: int
) -> None:
    world = make_world(HOLDFAST_TOKEN=TOKEN)
    environ = {} if trusted is None else {"FORWARDED_ALLOW_IPS": trusted}
    headers = {"Origin": "https://holdfast.example", "Host": "holdfast.example",
               "X-Forwarded-Proto": "https"}  # fmt: skip
    with run(world.container, environ) as client:
        answer = client.post(
            "/sign-in", data={"token": TOKEN}, headers=headers, follow_redirects=False
        )
    world.container.store.close()
    assert answer.status_code == status
    assert ("; Secure" in answer.headers.get("set-cookie", "")) == (status == 303)
