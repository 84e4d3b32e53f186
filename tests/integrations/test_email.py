"""Mail, against a real SMTP server with TLS and a login."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from holdfast.errors import DeliveryError
from holdfast.integrations.email import Email
from holdfast.spec import Notify


class Box:
    """Keeps what it took."""

    def __init__(self) -> None:
        self.mails: list[tuple[Envelope, Session]] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.refuse: dict[str, str] = {}
        self.data = "250 taken"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.mails.append((envelope, session))
        return self.data

    def login(self, server: Any, session: Any, envelope: Any, how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"pw:1", handled=False)


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def serve(box: Box, server_tls: ssl.SSLContext) -> Iterator[Callable[..., int]]:
    """Starts a server of a kind and returns its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers: list[asyncio.Server] = []

    async def listen(security: str) -> int:
        options: dict[str, Any] = {}
        if security == "starttls":
            options = {"tls_context": server_tls, "require_starttls": True,
                       "authenticator": box.login, "auth_required": True}  # fmt: skip
        context = server_tls if security == "tls" else None

        def speak() -> SMTP:
            return SMTP(box, hostname="127.0.0.1", loop=loop, **options)

        servers.append(await loop.create_server(speak, "127.0.0.1", 0, ssl=context))
        return int(servers[-1].sockets[0].getsockname()[1])

    async def stop() -> None:
        for server in servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    yield lambda security: asyncio.run_coroutine_threadsafe(listen(security), loop).result(60)
    asyncio.run_coroutine_threadsafe(stop(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def _channel(port: int, **changes: Any) -> Notify:
    values: dict[str, Any] = {
        "kind": "email", "host": "127.0.0.1", "port": port, "sender": "loop@example.org",
        "to": ("ana@example.org", "ben@example.org"), "timeout": timedelta(seconds=30),
    }  # fmt: skip
    return Notify(**{**values, **changes})


def _read(box: Box) -> EmailMessage:
    envelope, _ = box.mails[-1]
    assert isinstance(envelope.content, bytes)
    found = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_starttls_and_a_login(box: Box, serve: Any, ca: Path, told: Any) -> None:
    port = serve("starttls")
    channel = _channel(port, ca=str(ca), user="loop", password="pw:1")
    assert Email(channel).send(told()) == f"127.0.0.1:{port} took it for 2 of 2"
    assert box.logins == [(b"loop", b"pw:1")]
    envelope, session = box.mails[0]
    assert session.ssl is not None
    assert envelope.rcpt_tos == ["ana@example.org", "ben@example.org"]
    mail = _read(box)
    assert mail["Subject"].startswith("[holdfast] churn version 3: something is wrong")
    assert mail["Message-ID"] == f"<{told().id}@example.org>"
    assert mail["References"] == "<inc-1@example.org>"
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "To act: holdfast incidents --model churn" in text.get_content()
    assert "<script>" not in html.get_content()
    assert "&lt;script&gt;" in html.get_content()
    assert 'href="https://holdfast.example/incidents/inc-1"' in html.get_content()


def test_tls_from_the_first_byte(box: Box, serve: Any, ca: Path, told: Any) -> None:
    Email(_channel(serve("tls"), security="tls", ca=str(ca))).send(told())
    Email(_channel(serve("none"), security="none")).send(told())
    first, second = (session.peer for _, session in box.mails)
    assert first
    assert second
    assert len(box.mails) == 2


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_authority_that_is_not_trusted(box: Box, serve: Any, told: Any, security: str) -> None:
    channel = _channel(serve(security), security=security, user="loop", password="pw:1")
    with pytest.raises(DeliveryError) as caught:
        Email(channel).send(told())
    assert caught.value.code == "notify.certificate"
    assert box.mails == []
    assert box.logins == [], "the password was not sent"


def test_a_wrong_password_is_not_repeated(box: Box, serve: Any, ca: Path, told: Any) -> None:
    channel = _channel(serve("starttls"), ca=str(ca), user="loop", password="hunter2")
    with pytest.raises(DeliveryError) as caught:
        Email(channel).send(told())
    assert caught.value.code == "notify.smtp_login"
    assert "hunter2" not in str(caught.value)


def test_a_server_without_tls_gets_no_mail(box: Box, serve: Any, told: Any) -> None:
    with pytest.raises(DeliveryError) as caught:
        Email(_channel(serve("none"))).send(told())
    assert caught.value.code == "notify.smtp_unable"
    assert box.mails == []


def test_some_are_refused_and_all_are_refused(box: Box, serve: Any, told: Any) -> None:
    port = serve("none")
    box.refuse = {"ben@example.org": "550 unknown"}
    notifier = Email(_channel(port, security="none"))
    assert notifier.send(told()).endswith("took it for 1 of 2; refused ben@example.org")
    box.refuse["ana@example.org"] = "450 later"
    with pytest.raises(DeliveryError, match=r"ana@example\.org: 450; ben@example\.org: 550"):
        notifier.send(told())
    box.refuse, box.data = {}, "452 no room"
    with pytest.raises(DeliveryError, match="452 no room"):
        notifier.send(told())


def test_nobody_there_and_silence(told: Any, receiver: Any) -> None:
    with pytest.raises(DeliveryError) as caught:
        Email(_channel(1)).send(told())
    assert caught.value.code == "notify.unreachable"
    port = receiver.port  # waits for a request, as we wait for a greeting
    with pytest.raises(DeliveryError) as caught:
        Email(_channel(port, timeout=timedelta(seconds=0.5))).send(told())
    assert caught.value.code == "notify.slow"


def test_a_title_of_two_lines_makes_no_header(told: Any) -> None:
    mail = email.message_from_string(
        Email(_channel(25)).payload(told(title="one\r\nBcc: eve@example.org")),
        policy=email.policy.default,
    )
    assert mail["Subject"] == "[holdfast] one Bcc: eve@example.org"
    assert mail["Bcc"] is None
