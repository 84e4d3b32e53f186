"""The control plane's web application: API, dashboard, and errors in one shape."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from holdfast.control.api import make_api
from holdfast.control.auth import Guard
from holdfast.control.html import error_page, wants_page
from holdfast.control.metrics import make_metrics
from holdfast.control.pages import make_pages
from holdfast.control.waiting import Bus
from holdfast.control.webhook import make_webhook
from holdfast.errors import HoldfastError
from holdfast.loop.container import Container
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing


def create_app(container: Container, *, reconcile: bool = True, interval: float = 1.0) -> FastAPI:
    """The application.

    Args:
        container: the wiring.
        reconcile: run the reconciler in a thread of this process.
        interval: seconds between its passes.
    """
    bus = Bus()
    releasing = Releasing(container, bus.ring)
    reconciler = Reconciler(container, releasing, container.wall)
    stop = threading.Event()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        bus.open()
        thread = threading.Thread(
            target=reconciler.run, args=(stop, interval), name="holdfast-reconciler"
        )
        if reconcile:
            thread.start()
        yield
        stop.set()
        bus.ring()
        if reconcile:
            thread.join()

    app = FastAPI(
        title="Holdfast control plane", version="1", lifespan=lifespan, docs_url=None,
        redoc_url=None, openapi_url="/api/v1/openapi.json",
    )  # fmt: skip
    app.state.bus = bus
    app.include_router(make_api(container, releasing, bus))
    app.include_router(make_webhook(container))
    app.include_router(make_metrics(container))
    app.include_router(make_pages(container, releasing, bus))
    _errors(app)
    app.add_middleware(Guard, token=container.settings.token)
    return app


def _errors(app: FastAPI) -> None:
    """Every error is ``{"error": {"code", "message", "fix"}}``."""

    @app.exception_handler(HoldfastError)
    async def ours(request: Request, error: HoldfastError) -> JSONResponse:
        return JSONResponse({"error": error.as_dict()}, error.http_status)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        fault = {"code": "request.invalid", "message": f"{where}: {first['msg']}",
                 "fix": "See /api/v1/openapi.json for what is expected."}  # fmt: skip
        return JSONResponse({"error": fault}, 422)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        if wants_page(request.scope):
            return error_page(_said(request, error), error.status_code)
        fault = {"code": f"http.{error.status_code}", "message": str(error.detail), "fix": ""}
        return JSONResponse({"error": fault}, error.status_code)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        fault = HoldfastError(
            "control.fault",
            f"a fault of Holdfast: {type(error).__name__}",
            "Report it with what the control plane printed.",
        )
        if wants_page(request.scope):
            return error_page(fault, 500)
        return JSONResponse({"error": fault.as_dict()}, 500)


def _said(request: Request, error: HTTPException) -> HoldfastError:
    """An error of the framework in words for people."""
    code = f"http.{error.status_code}"
    if error.status_code == 404:
        return HoldfastError(code, f"there is nothing at {request.url.path}")
    return HoldfastError(code, f"this address does not take {request.method}: {error.detail}")
