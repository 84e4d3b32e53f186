"""How pages are answered: headers, and errors as pages."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.types import Scope

from holdfast.control.contexts import ErrorPage
from holdfast.control.templating import filled
from holdfast.errors import HoldfastError

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": browsers then send "Origin: null" with forms, which Guard refuses.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def render(
    name: str, page: Any, status: int = 200, *, seen: str = "", out: bool = False
) -> Response:
    """A page from its context, whose fields are the only names that its template knows.

    Args:
        name: of the template.
        page: one of :mod:`holdfast.control.contexts`.
        status: HTTP status.
        seen: change token of what the page shows; empty for pages that do not change.
        out: whether somebody is signed in, and may sign out.
    """
    return HTMLResponse(filled(name, page, seen=seen, signed_in=out), status, HEADERS)


def wants_page(scope: Scope) -> bool:
    """Whether a person at a browser asks; the API answers in JSON whoever asks."""
    accepted = Headers(scope=scope).get("accept", "")
    return "text/html" in accepted and not scope["path"].startswith("/api/")


def error_page(error: HoldfastError, status: int) -> Response:
    """An error as a page."""
    known = {
        403: "Refused",
        404: "There is no such page",
        409: "That does not fit",
        422: "Something is wrong",
        503: "Not yet confirmed",
    }
    title = known.get(status, "It did not work")
    return render("error.html", ErrorPage(title, error.code, error.message, error.fix), status)


class PageRoute(APIRoute):
    """A route whose errors are pages, for people."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with a boundary around it."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except HoldfastError as error:
                return error_page(error, error.http_status)
            except RequestValidationError:
                fault = HoldfastError("request.invalid", "this address or form is malformed")
                return error_page(fault, 422)

        return handled
