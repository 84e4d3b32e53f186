"""The control API: what servers follow, and what people and their tools ask and order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import BaseModel, Field

from holdfast.control.orders import confirmed
from holdfast.control.waiting import Bus, newer_routes
from holdfast.errors import UsageError
from holdfast.loop import pausing, views
from holdfast.loop.container import Container, replace
from holdfast.loop.outcomes import add_labels
from holdfast.loop.releasing import Releasing
from holdfast.loop.triggers import ask_for_training
from holdfast.records import ServerReport

LONGEST_WAIT = 55.0


class StartRelease(BaseModel):
    """Body of ``POST …/releases``."""

    version: int = Field(ge=1)
    strategy: str | None = Field(None, pattern="^(direct|shadow|canary|blue_green)$")
    actor: str = "api"
    force: str | None = None
    note: str = ""


class Approve(BaseModel):
    """Body of ``POST …/approve``."""

    version: int = Field(ge=1)
    actor: str
    note: str = ""


class Pause(BaseModel):
    """Body of ``POST …/pause`` and ``…/resume``."""

    actor: str = "api"
    reason: str = "by hand"


class Abort(BaseModel):
    """Body of ``POST …/abort``."""

    version: int = Field(ge=1)
    actor: str = "api"
    reason: str = "by hand"


class Rollback(BaseModel):
    """Body of ``POST …/rollback``; without ``to`` the previous version."""

    to: int | None = Field(None, ge=1)
    actor: str = "api"
    reason: str = "by hand"


class Train(BaseModel):
    """Body of ``POST …/train``."""

    actor: str = "api"
    reason: str = "by hand"


def answer(value: Any, status: int = 200) -> Response:
    """Records as JSON, in the one form they have everywhere."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def make_api(container: Container, releasing: Releasing, bus: Bus) -> APIRouter:
    """All routes under ``/api/v1``."""
    api = APIRouter(prefix="/api/v1")
    _servers(api, container, bus)
    _questions(api, container)
    _orders(api, container, releasing, bus)
    return api


def _servers(api: APIRouter, container: Container, bus: Bus) -> None:
    @api.get("/health", summary="Whether the control plane answers")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @api.get("/routes", summary="Routes newer than those a server has; waits for the first")
    async def routes(
        since: Annotated[str, Query(description="JSON object: model to epoch")] = "{}",
        wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT)] = 0.0,
    ) -> Response:
        try:
            epochs = msgspec.json.decode(since, type=dict[str, int])
        except msgspec.MsgspecError:
            raise UsageError(
                "routes.since", "'since' is not a JSON object of epochs", 'Send {"model": 3}.'
            ) from None
        return answer(await newer_routes(container, bus, epochs, wait))

    @api.post("/servers", summary="A server says what it serves now")
    async def report(request: Request) -> dict[str, str]:
        try:
            said = ServerReport.from_json(await request.body())
        except msgspec.MsgspecError as error:
            raise UsageError("servers.report", f"not a server's report: {error}") from None
        await asyncio.to_thread(container.heard_of, replace(said, at=container.wall()))
        bus.ring()
        return {"status": "ok"}


def _questions(api: APIRouter, container: Container) -> None:
    @api.get("/models", summary="Status of every model")
    def models() -> Response:
        return answer([views.status_of(container, name) for name in container.models()])

    @api.get("/models/{model}", summary="Status of one model")
    def status(model: str) -> Response:
        return answer(views.status_of(container, model))

    @api.get("/models/{model}/versions", summary="Versions, newest first")
    def versions(model: str) -> Response:
        return answer(views.versions_of(container, model))

    @api.get("/models/{model}/history", summary="What happened, newest first")
    def history(model: str, limit: Annotated[int, Query(ge=1, le=10_000)] = 100) -> Response:
        return answer(views.history_of(container, model, limit))

    @api.get("/models/{model}/live-at", summary="Which version answered at a time")
    def live_at(model: str, time: datetime) -> Response:
        moment = time if time.tzinfo else time.replace(tzinfo=UTC)
        return answer(views.live_at(container, model, moment))

    @api.get("/models/{model}/incidents", summary="Incidents, newest first")
    def incidents(model: str) -> Response:
        return answer(container.ask(container.store.incidents.list, model))

    @api.get("/models/{model}/releases", summary="Releases, newest first")
    def releases(model: str) -> Response:
        return answer(container.ask(container.store.releases.list, model))

    @api.get("/models/{model}/look", summary="What the monitor saw last of the live version")
    def look(model: str) -> Response:
        data = container.ask(container.store.looks.latest, model)
        return Response(data or b"null", media_type="application/json")

    @api.get("/models/{model}/looks", summary="The last look at each version that was live")
    def looks(model: str) -> Response:
        history = container.ask(container.store.looks.history, model)
        return Response(b"[" + b",".join(history) + b"]", media_type="application/json")

    @api.get("/audit/verify", summary="Re-checks the hash chain of every decision")
    def verify() -> Response:
        return answer(container.ask(container.store.events.verify))


def _orders(api: APIRouter, container: Container, releasing: Releasing, bus: Bus) -> None:
    @api.post("/models/{model}/releases", status_code=201, summary="Starts a release")
    def start(model: str, body: StartRelease) -> Response:
        return answer(releasing.start(model, **body.model_dump()), 201)

    @api.post("/models/{model}/approve", summary="Agrees to a release that waits")
    def approve(model: str, body: Approve) -> Response:
        return answer(releasing.approve(model, **body.model_dump()))

    @api.post("/models/{model}/pause", summary="Halts the loop; safety goes on")
    def pause(model: str, body: Pause) -> Response:
        return answer(pausing.pause(container, model, **body.model_dump()))

    @api.post("/models/{model}/resume", summary="Lets the loop go on")
    def resume(model: str, body: Pause) -> Response:
        return answer(pausing.resume(container, model, **body.model_dump()))

    @api.post("/models/{model}/abort", summary="Stops a release under way")
    async def abort(model: str, body: Abort) -> Response:
        act = lambda: releasing.abort(model, **body.model_dump())  # noqa: E731
        return answer(await confirmed(container, releasing, bus, model, act))

    @api.post("/models/{model}/rollback", summary="Puts an earlier version live at once")
    async def rollback(model: str, body: Rollback) -> Response:
        act = lambda: releasing.rollback(model, **body.model_dump())  # noqa: E731
        return answer(await confirmed(container, releasing, bus, model, act))

    @api.post("/models/{model}/train", status_code=202, summary="Asks for a training")
    def train(model: str, body: Train) -> Response:
        return answer(ask_for_training(container, model, body.actor, body.reason), 202)

    @api.post("/models/{model}/labels", summary="Takes in outcomes: a JSON list of objects")
    def labels(model: str, rows: Annotated[list[dict[str, Any]], Body()]) -> Response:
        return answer(add_labels(container, model, rows))
