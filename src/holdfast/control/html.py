"""How pages are made: templates, static files, headers, and errors as pages."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Coroutine
from dataclasses import fields
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import Headers
from starlette.types import Scope

from holdfast.control import words
from holdfast.control.contexts import ErrorPage
from holdfast.errors import HoldfastError

_HERE = Path(__file__).parent

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


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Every file under ``static``: its bytes and media type, by relative path."""
    root = _HERE / "static"
    return {
        path.relative_to(root).as_posix(): (
            path.read_bytes(),
            mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def asset(name: str) -> str:
    """Address of a static file, which changes with its content, so that it may be kept."""
    content, _ = static_files()[name]
    return f"/static/{name}?{sha256(content).hexdigest()[:12]}"


@cache
def templates() -> Environment:
    """The Jinja2 environment: everything is escaped, and unknown names are errors."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("when", "exactly", "ago", "seconds", "number", "loss", "signed", "share", "short")
    environment.filters.update({name: getattr(words, name) for name in names})
    environment.filters["state_of"] = words.state_of
    environment.filters["kind_of"] = words.kind_of
    environment.globals["asset"] = asset
    return environment


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
    values = {field.name: getattr(page, field.name) for field in fields(page)}
    text = templates().get_template(name).render(values, seen=seen, signed_in=out)
    return HTMLResponse(text, status, HEADERS)


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
