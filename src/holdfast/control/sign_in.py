"""Signing in to the pages: the installation's token, kept in a cookie that scripts cannot read."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from holdfast.control.auth import COOKIE
from holdfast.control.contexts import SignInPage
from holdfast.control.html import render
from holdfast.errors import UsageError

LONGEST_FORM = 10_000
_DAYS = 30


def add_sign_in(pages: APIRouter, token: str | None) -> None:
    """Adds ``/sign-in`` and ``/sign-out``.

    Args:
        pages: where to.
        token: the installation's; None when it asks for none.
    """

    @pages.get("/sign-in")
    def ask(onward: Annotated[str, Query()] = "/") -> Response:
        return _page(own_path(onward), token)

    @pages.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        form = await read_form(request)
        onward = own_path(form.get("onward", "/"))
        given = form.get("token", "").strip()
        if token is None or not hmac.compare_digest(given.encode(), token.encode()):
            return _page(onward, token, wrong=True)
        answer = RedirectResponse(onward, 303)
        # Written by hand: the library would put quotes around '=' and '/', which Guard reads raw.
        secure = "; Secure" if request.url.scheme == "https" else ""
        life = f"Max-Age={_DAYS * 86_400}; Path=/; HttpOnly; SameSite=Strict{secure}"
        answer.headers.append("Set-Cookie", f"{COOKIE}={token}; {life}")
        return answer

    @pages.post("/sign-out")
    def sign_out() -> Response:
        answer = RedirectResponse("/sign-in", 303)
        answer.headers.append(
            "Set-Cookie", f"{COOKIE}=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict"
        )
        return answer


def own_path(onward: str) -> str:
    r"""A path of this site, whatever was asked for.

    >>> own_path("/models/a?x=1"), own_path("//evil.example"), own_path("/\\evil.example")
    ('/models/a?x=1', '/', '/')
    """
    plain = onward.startswith("/") and not onward.startswith("//")
    return onward if plain and "\\" not in onward and onward.isprintable() else "/"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of an ordinary form, the last of each name.

    Raises:
        UsageError: when it is too long, or not such a form.
    """
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > LONGEST_FORM:
            raise UsageError("request.form", "this form is too long")
    try:
        fields = parse_qs(data.decode("utf-8"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise UsageError("request.form", "this is not a form") from None
    return {name: values[-1] for name, values in fields.items()}


def _page(onward: str, token: str | None, *, wrong: bool = False) -> Response:
    page = SignInPage(title="Sign in", onward=onward, wrong=wrong, needed=token is not None)
    return render("sign_in.html", page, 401 if wrong else 200)
