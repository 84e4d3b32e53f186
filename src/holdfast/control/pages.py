"""The dashboard: pages for people, drawn on the server; scripts only refresh what is there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse

from holdfast.control.html import HEADERS, PageRoute, render
from holdfast.control.live import change_token, changes
from holdfast.control.model import card_page, history_page, model_page
from holdfast.control.order_pages import add_orders
from holdfast.control.overview import home_page
from holdfast.control.report.gather import report_of
from holdfast.control.report.page import html
from holdfast.control.sign_in import add_sign_in
from holdfast.control.story import incident_page
from holdfast.control.templating import static_files
from holdfast.control.waiting import Bus
from holdfast.errors import NotFoundError
from holdfast.loop.container import Container
from holdfast.loop.releasing import Releasing

# What stands alone has its sheet in itself; nothing in it may run, load or be sent.
ALONE = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
    )
}


def make_pages(container: Container, releasing: Releasing, bus: Bus) -> APIRouter:
    """All pages, their static files, and the stream that says when they changed."""
    pages = APIRouter(route_class=PageRoute, include_in_schema=False)
    token = container.settings.token

    def shown(name: str, make: Callable[[], Any], status: int = 200) -> Response:
        # The token is taken before the page is made: a change in between is noticed, not missed.
        seen = change_token(container)
        return render(name, make(), status, seen=seen, out=token is not None)

    _models(pages, container, shown)
    _files(pages, container, shown)
    add_orders(pages, container, releasing, bus)
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


def _files(pages: APIRouter, container: Container, shown: Shown) -> None:
    @pages.get("/models/{model}/versions/{number}/card")
    def card(model: str, number: Annotated[int, Path(ge=1, le=2**31)]) -> Response:
        return shown("card.html", lambda: card_page(container, model, number))

    @pages.get("/models/{model}/report")
    def report(
        model: str,
        start: Annotated[datetime | None, Query(alias="from")] = None,
        end: Annotated[datetime | None, Query(alias="to")] = None,
    ) -> Response:
        found = report_of(container, model, _aware(start), _aware(end))
        return HTMLResponse(html(found), headers=HEADERS | ALONE)


def _aware(time: datetime | None) -> datetime | None:
    """A time without a zone is UTC."""
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


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
