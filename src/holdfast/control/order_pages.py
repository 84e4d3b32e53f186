"""Orders given on the pages: roll back, pause, resume, look after an incident, close it.

Each is an ordinary form, so that it works without scripts; :class:`holdfast.control.auth.Guard`
refuses those of other sites.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from holdfast.control.contexts import HaltPage
from holdfast.control.html import render
from holdfast.control.model import rollback_page
from holdfast.control.orders import confirmed
from holdfast.control.sign_in import read_form
from holdfast.control.waiting import Bus
from holdfast.errors import UsageError
from holdfast.loop import incidents, pausing
from holdfast.loop.container import Container
from holdfast.loop.releasing import Releasing

ACTOR = "dashboard"
_LONGEST_REASON = 500


def add_orders(pages: APIRouter, container: Container, releasing: Releasing, bus: Bus) -> None:
    """Adds the forms and what they are sent to.

    Args:
        pages: where to.
        container: the wiring.
        releasing: moves releases.
        bus: wakes those who wait for what an order changes.
    """
    _rollback(pages, container, releasing, bus)
    _halts(pages, container, bus)
    _incidents(pages, container, bus)


def _rollback(pages: APIRouter, container: Container, releasing: Releasing, bus: Bus) -> None:
    signed = container.settings.token is not None

    @pages.get("/models/{model}/rollback")
    def ask(model: str) -> Response:
        # Never refreshed: what a form promises must not change under the hand that sends it.
        return render("rollback.html", rollback_page(container, model), out=signed)

    @pages.post("/models/{model}/rollback")
    async def rollback(model: str, request: Request) -> Response:
        form = await read_form(request)
        to = _version(form.get("to", ""))
        reason = _reason(form)
        if form.get("keep") == form.get("to"):
            ends = _version(form.get("ends", ""))
            act = lambda: releasing.abort(model, version=ends, actor=ACTOR, reason=reason)  # noqa: E731
        else:
            act = lambda: releasing.rollback(model, actor=ACTOR, reason=reason, to=to)  # noqa: E731
        release = await confirmed(container, releasing, bus, model, act)
        return RedirectResponse(f"{_address(release.model)}?done={quote(release.id)}", 303)


def _halts(pages: APIRouter, container: Container, bus: Bus) -> None:
    signed = container.settings.token is not None

    @pages.get("/models/{model}/pause")
    def ask(model: str) -> Response:
        entry = container.ask(container.store.models.get, model)
        page = HaltPage(
            title=f"{'Resume' if entry.paused else 'Pause'} the loop of {model}",
            at=container.clock.now(), model=model, paused=entry.paused, note=entry.note,
        )  # fmt: skip
        return render("halt.html", page, out=signed)

    @pages.post("/models/{model}/pause")
    async def pause(model: str, request: Request) -> Response:
        form = await read_form(request)
        await asyncio.to_thread(pausing.pause, container, model, actor=ACTOR, reason=_reason(form))
        bus.ring()
        return RedirectResponse(_address(model), 303)

    @pages.post("/models/{model}/resume")
    async def resume(model: str, request: Request) -> Response:
        form = await read_form(request)
        await asyncio.to_thread(pausing.resume, container, model, actor=ACTOR, reason=_reason(form))
        bus.ring()
        return RedirectResponse(_address(model), 303)


def _incidents(pages: APIRouter, container: Container, bus: Bus) -> None:
    @pages.post("/incidents/{incident_id}/acknowledge")
    async def acknowledge(incident_id: str, request: Request) -> Response:
        form = await read_form(request)
        who = form.get("who", "").strip()[:100] or ACTOR
        await asyncio.to_thread(incidents.acknowledge, container, incident_id, who)
        bus.ring()
        return RedirectResponse(f"/incidents/{quote(incident_id, safe='')}", 303)

    @pages.post("/incidents/{incident_id}/close")
    async def close(incident_id: str, request: Request) -> Response:
        form = await read_form(request)
        why = _reason(form, "closed by hand")
        await asyncio.to_thread(incidents.close_by_hand, container, incident_id, why)
        bus.ring()
        return RedirectResponse(f"/incidents/{quote(incident_id, safe='')}", 303)


def _address(model: str) -> str:
    return f"/models/{quote(model, safe='')}"


def _reason(form: dict[str, str], otherwise: str = "by hand") -> str:
    return form.get("reason", "").strip()[:_LONGEST_REASON] or otherwise


def _version(text: str) -> int:
    """The version that the form promised; never a default, which could be another by now."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError("request.form", "the form names no version to go back to")
    return int(text)
