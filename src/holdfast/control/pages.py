"""The dashboard: pages for people, drawn on the server; scripts only refresh what is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from holdfast.control.html import HEADERS, PageRoute, render
from holdfast.control.live import change_token, changes
from holdfast.control.model import history_page, model_page, rollback_page
from holdfast.control.orders import confirmed
from holdfast.control.overview import home_page
from holdfast.control.sign_in import add_sign_in, read_form
from holdfast.control.story import incident_page
from holdfast.control.templating import static_files
from holdfast.control.waiting import Bus
from holdfast.errors import NotFoundError, UsageError
from holdfast.loop.container import Container
from holdfast.loop.releasing import Releasing

ACTOR = "dashboard"
_LONGEST_REASON = 500


def make_pages(container: Container, releasing: Releasing, bus: Bus) -> APIRouter:
    """All pages, their static files, and the stream that says when they changed."""
    pages = APIRouter(route_class=PageRoute, include_in_schema=False)
    token = container.settings.token

    def shown(name: str, make: Callable[[], Any], status: int = 200) -> Response:
        # The token is taken before the page is made: a change in between is noticed, not missed.
        seen = change_token(container)
        return render(name, make(), status, seen=seen, out=token is not None)

    _models(pages, container, shown)
    _orders(pages, container, releasing, bus)
    _plumbing(pages, container, bus)
    add_sign_in(pages, token)
    return pages


Shown = Callable[[str, Callable[[], Any]], Response]


def _models(pages: APIRouter, container: Container, shown: Shown) -> None:
    @pages.get("/")
    def home() -> Response:
        return shown("home.html", lambda: home_page(container))

    @pages.get("/models/{model}")
    def one_model(model: str, done: str | None = None) -> Response:
        return shown("model.html", lambda: model_page(container, model, done))

    @pages.get("/models/{model}/history")
    def history(
        model: str, before: Annotated[int | None, Query(ge=1, le=2**62)] = None
    ) -> Response:
        return shown("history.html", lambda: history_page(container, model, before))

    @pages.get("/incidents/{incident_id}")
    def incident(incident_id: str) -> Response:
        return shown("incident.html", lambda: incident_page(container, incident_id))


def _orders(pages: APIRouter, container: Container, releasing: Releasing, bus: Bus) -> None:
    signed = container.settings.token is not None

    @pages.get("/models/{model}/rollback")
    def ask(model: str) -> Response:
        # Never refreshed: what a form promises must not change under the hand that sends it.
        return render("rollback.html", rollback_page(container, model), out=signed)

    @pages.post("/models/{model}/rollback")
    async def rollback(model: str, request: Request) -> Response:
        form = await read_form(request)
        to = _version(form.get("to", ""))
        reason = form.get("reason", "").strip()[:_LONGEST_REASON] or "by hand"
        if form.get("keep") == form.get("to"):
            ends = _version(form.get("ends", ""))
            act = lambda: releasing.abort(model, version=ends, actor=ACTOR, reason=reason)  # noqa: E731
        else:
            act = lambda: releasing.rollback(model, actor=ACTOR, reason=reason, to=to)  # noqa: E731
        release = await confirmed(container, releasing, bus, model, act)
        return RedirectResponse(f"/models/{release.model}?done={release.id}", 303)


def _version(text: str) -> int:
    """The version that the form promised; never a default, which could be another by now."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError("request.form", "the form names no version to go back to")
    return int(text)


def _plumbing(pages: APIRouter, container: Container, bus: Bus) -> None:
    @pages.get("/events")
    async def events(request: Request, since: str = "") -> Response:
        known = request.headers.get("last-event-id", since)
        return StreamingResponse(
            changes(container, bus, known), headers=HEADERS, media_type="text/event-stream"
        )

    @pages.get("/static/{name:path}")
    def static(name: str) -> Response:
        if name not in static_files():
            raise NotFoundError("page.unknown", "there is no such file")
        content, kind = static_files()[name]
        keep = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
        return Response(content, headers=keep, media_type=kind)
