"""Mail by SMTP: text and HTML. The id is the ``Message-ID``; messages of one story are a thread."""

from __future__ import annotations

import contextlib
import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape

from holdfast.errors import DeliveryError
from holdfast.integrations.network import cut_after, in_words, tls
from holdfast.integrations.text import plain
from holdfast.records import Notification
from holdfast.spec import Notify

PORTS = {"starttls": 587, "tls": 465, "none": 25}


class Email:
    """Sends mail through one server."""

    def __init__(self, channel: Notify) -> None:
        self._channel = channel

    def payload(self, notification: Notification) -> str:
        """The mail as it would travel."""
        return self._message(notification).as_string()

    def send(self, notification: Notification) -> str:
        """Hands it to the server.

        Raises:
            DeliveryError: when the server cannot be reached, is not trusted, or takes it for
                nobody.
        """
        channel = self._channel
        where = f"{channel.host}:{self._port}"
        timeout = channel.timeout.total_seconds()
        with in_words(where, timeout):
            try:
                with self._connected(timeout) as server:
                    refused = server.send_message(self._message(notification))
            except smtplib.SMTPServerDisconnected as error:
                # smtplib hides what happened to the connection in the context.
                cause = error.__context__
                raise (
                    cause if isinstance(cause, OSError) else ConnectionError(str(error))
                ) from None
            except smtplib.SMTPException as error:
                raise _in_words(error, where) from None
        taken = len(channel.to) - len(refused)
        return f"{where} took it for {taken} of {len(channel.to)}" + "".join(
            f"; refused {address}" for address in sorted(refused)
        )

    @property
    def _port(self) -> int:
        return self._channel.port or PORTS[self._channel.security]

    @contextlib.contextmanager
    def _connected(self, timeout: float) -> Iterator[smtplib.SMTP]:
        channel, name = self._channel, socket.gethostname()
        host = channel.host or ""
        if channel.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, self._port, local_hostname=name, timeout=timeout, context=tls(channel.ca)
            )
        else:
            server = smtplib.SMTP(host, self._port, local_hostname=name, timeout=timeout)
        with contextlib.closing(server), cut_after(timeout, lambda: server.sock) as cut:
            try:
                if channel.security == "starttls":
                    server.starttls(context=tls(channel.ca))
                if channel.user is not None:
                    server.login(channel.user, channel.password or "")
                yield server
            finally:
                if cut.is_set():
                    raise TimeoutError
            # It was taken; whether the farewell is heard changes nothing.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()

    def _message(self, notification: Notification) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = " ".join(f"[holdfast] {notification.title}".split())
        message["From"] = self._channel.sender or ""
        message["To"] = ", ".join(self._channel.to)
        message["Date"] = format_datetime(notification.at)
        domain = (self._channel.sender or "").rpartition("@")[2] or "holdfast"
        message["Message-ID"] = f"<{notification.id}@{domain}>"
        message["References"] = f"<{notification.story}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content("\n\n".join((notification.title, *plain(notification))) + "\n")
        message.add_alternative(_html(notification), subtype="html")
        message.set_boundary(f"=={notification.id}==")  # the same whenever it is sent again
        return message


def _html(notification: Notification) -> str:
    head = '<th align="left" valign="top">'
    rows = "".join(
        f"<tr>{head}{escape(fact.name)}</th><td>{escape(fact.text)}</td></tr>"
        for fact in notification.facts
    )
    act = f"<p>To act: <code>{escape(notification.command)}</code></p>"
    link = escape(notification.link)
    see = f'<p><a href="{link}">Open the dashboard</a></p>' if link else ""
    return (
        f"<html><body><h2>{escape(notification.title)}</h2>"
        f'<table cellpadding="4">{rows}</table>{act if notification.command else ""}{see}'
        f"<p><small>Holdfast · {escape(notification.id)}</small></p></body></html>\n"
    )


def _in_words(error: smtplib.SMTPException, where: str) -> DeliveryError:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return DeliveryError(
            "notify.smtp_login",
            f"{where} refused the login: {error.smtp_code}",
            "Look at user, and at the variable that password names.",
        )
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryError(
            "notify.smtp_unable",
            f"{where} cannot do what is asked: {error}",
            'Another port may: try port = 465 with security = "tls".',
        )
    said = str(error)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        said = "; ".join(f"{who}: {code}" for who, (code, _) in sorted(error.recipients.items()))
    elif isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        words = text.decode(errors="replace") if isinstance(text, bytes) else text
        said = f"{error.smtp_code} {words}"
    return DeliveryError("notify.smtp_refused", f"{where} did not take it: {said[:200]}")
