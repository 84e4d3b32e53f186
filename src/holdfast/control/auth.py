"""Who may call: loopback without a token, everybody else with one; and no page of another site."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from holdfast.control.html import error_page, wants_page
from holdfast.errors import AuthError, HoldfastError, UsageError

COOKIE = "holdfast_token"
OPEN_PATHS = ("/api/v1/health", "/api/v1/hooks/", "/static/", "/sign-in")  # hooks are signed


def require_token_off_loopback(host: str, token: str | None) -> None:
    """Refuses to start where everybody could give orders.

    Raises:
        UsageError: when the address is not loopback and there is no token.
    """
    if token is None and not is_loopback(host):
        raise UsageError(
            "auth.token_required",
            f"{host} can be reached from other machines, and no token is set",
            "Set HOLDFAST_TOKEN to a long random text, for servers and clients alike.",
        )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Middleware: checks the token on every path but the open ones, and where orders come from.

    Without a token the ``Host`` must be loopback, so that a page of another site cannot reach the
    control plane through a name of its own (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 401 or 403, or passes the request on."""
        if scope["type"] == "http":
            refused = self._refuse(scope)
            if refused is not None:
                await _answer(scope, refused)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refuse(self, scope: Scope) -> HoldfastError | None:
        headers = Headers(scope=scope)
        if self._token is None and not is_loopback(_hostname(headers.get("host", ""))):
            return HoldfastError(
                "auth.host", "this address is not this machine's own", "Set HOLDFAST_TOKEN."
            )
        origin = headers.get("origin")
        if scope["method"] not in ("GET", "HEAD") and origin not in (None, _own(scope, headers)):
            return HoldfastError("auth.origin", "orders from another site's page are refused", "")
        if self._token is None or scope["path"].startswith(OPEN_PATHS):
            return None
        if not hmac.compare_digest(_presented(headers).encode(), self._token.encode()):
            return AuthError(
                "auth.token", "no token, or a wrong one", "Send 'Authorization: Bearer TOKEN'."
            )
        return None


def _answer(scope: Scope, refused: HoldfastError) -> ASGIApp:
    """JSON, or for a person at a browser a page: the one to sign in at, if that will help."""
    status = 401 if isinstance(refused, AuthError) else 403
    if not wants_page(scope):
        return JSONResponse({"error": refused.as_dict()}, status)
    if status == 403:
        return error_page(refused, status)
    return RedirectResponse(f"/sign-in?onward={quote(_onward(scope), safe='/')}", 303)


def _onward(scope: Scope) -> str:
    """Where to go after signing in; forms are asked again on the page of the same path."""
    path: str = scope["path"]
    if scope["method"] not in ("GET", "HEAD"):
        return "/" if path == "/sign-out" else path
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def _hostname(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def _own(scope: Scope, headers: Headers) -> str:
    return f"{scope['scheme']}://{headers.get('host', '')}"


def _presented(headers: Headers) -> str:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    for part in headers.get("cookie", "").split(";"):
        name, _, content = part.strip().partition("=")
        if name == COOKIE:
            return content
    return ""
