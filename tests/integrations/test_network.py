"""One request: what is accepted, refused, cut, and what the error says of it."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from holdfast.errors import DeliveryError
from holdfast.integrations.network import post_json, request
from holdfast.integrations.pagerduty import PagerDuty
from holdfast.integrations.slack import Slack
from holdfast.integrations.webhook import Webhook
from holdfast.spec import Notify

SECRET = "whsec_" + "c2VjcmV0" * 4


def _fails(code: str, url: str, **options: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        post_json(url, {"a": 1}, **{"timeout": 30.0, **options})
    assert caught.value.code == code
    assert "T000/hidden" not in str(caught.value), "the path may be the secret"
    return caught.value


def test_an_answer_of_2xx_is_taken(receiver: Any, reply: Any) -> None:
    receiver.answer = lambda _: reply(status=202, body=b'{"status": "success"}')
    answer = post_json(f"{receiver.url}/T000/hidden?x=1", {"a": 1}, timeout=30.0)
    assert (answer.status, answer.json()) == (202, {"status": "success"})
    (got,) = receiver.got
    assert (got.method, got.path, got.body) == ("POST", "/T000/hidden?x=1", b'{"a": 1}')
    assert got.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_what_is_not_taken(receiver: Any, reply: Any, status: int) -> None:
    receiver.answer = lambda _: reply(status=status, body=b"no\nway")
    error = _fails("notify.refused", f"{receiver.url}/T000/hidden")
    assert f"answered {status} no way" in error.message
    assert error.retry_after is None


def test_too_many_says_when_to_come_back(receiver: Any, reply: Any) -> None:
    receiver.answer = lambda _: reply(status=429, headers={"Retry-After": "120"})
    assert _fails("notify.refused", receiver.url).retry_after == 120.0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Any, reply: Any, status: int) -> None:
    there = f"{receiver.url}/elsewhere"
    receiver.answer = lambda _: reply(status=status, headers={"Location": there})
    _fails("notify.redirect", f"{receiver.url}/T000/hidden")
    assert [got.path for got in receiver.got] == ["/T000/hidden"]


def test_silence_ends(receiver: Any, reply: Any) -> None:
    receiver.answer = lambda _: reply(silent=True)
    assert "0.3 s" in _fails("notify.slow", f"{receiver.url}/T000/hidden", timeout=0.3).message


def test_a_drip_ends_although_each_byte_comes_in_time(receiver: Any, reply: Any) -> None:
    receiver.answer = lambda _: reply(drip=True)
    _fails("notify.slow", f"{receiver.url}/T000/hidden", timeout=1.0)
    assert [got.path for got in receiver.got] == ["/T000/hidden"]


def test_nobody_there() -> None:
    error = _fails("notify.unreachable", "http://127.0.0.1:1/T000/hidden")
    assert "127.0.0.1:1 cannot be reached" in error.message


def test_certificates_are_verified(secure: Any, ca: Path) -> None:
    error = _fails("notify.certificate", f"{secure.url}/T000/hidden")
    assert "not trusted" in error.message
    assert 'ca = "ca.pem"' in error.fix
    assert secure.got == []
    assert post_json(secure.url, {}, timeout=30.0, ca=str(ca)).status == 200


@pytest.fixture
def other_ca(tmp_path: Path) -> Path:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    return tmp_path / "other.pem"


def test_another_authority_will_not_do(secure: Any, other_ca: Path, tmp_path: Path) -> None:
    _fails("notify.certificate", secure.url, ca=str(other_ca))
    _fails("notify.ca", secure.url, ca=str(tmp_path / "missing.pem"))
    (tmp_path / "empty.pem").write_text("nothing")
    _fails("notify.ca", secure.url, ca=str(tmp_path / "empty.pem"))


def test_a_certificate_for_another_name_will_not_do(secure: Any, ca: Path) -> None:
    url = secure.url.replace("127.0.0.1", "localhost")
    _fails("notify.certificate", url, ca=str(ca))


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "https://me:pw@127.0.0.1/", "nonsense",
     "http://example.org/", "http://127.0.0.1:99999/", "http://127.0.0.1/a b\r\nX: y"],
)  # fmt: skip
def test_addresses_that_are_not_spoken_to(url: str) -> None:
    _fails("notify.url", url)


def test_what_is_no_tls_at_all(receiver: Any) -> None:
    _fails("notify.unreachable", receiver.url.replace("http:", "https:"))


def test_headers_are_sent_and_errors_of_tls_are_not_shown_as_ours(receiver: Any) -> None:
    request("GET", receiver.url, headers={"X-Own": "1"}, timeout=30.0)
    assert receiver.got[0].headers["x-own"] == "1"
    assert issubclass(ssl.SSLCertVerificationError, OSError)


@pytest.mark.parametrize("status", [302, 429, 500])
@pytest.mark.parametrize("make", [Webhook, Slack, PagerDuty])
def test_every_http_channel_fails_the_same_way(
    receiver: Any, reply: Any, told: Any, make: Any, status: int
) -> None:
    receiver.answer = lambda _: reply(status=status, headers={"Retry-After": "9", "Location": "/"})
    channel = Notify(
        kind="x", url=receiver.url, secret=SECRET, key="k" * 32, timeout=timedelta(seconds=30)
    )
    with pytest.raises(DeliveryError) as caught:
        make(channel).send(told())
    assert len(receiver.got) == 1
    assert caught.value.retry_after == (None if status == 302 else 9.0)
