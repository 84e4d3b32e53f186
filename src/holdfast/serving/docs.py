"""``/docs`` and ``/openapi.json``: the models' own schemas, readable with no internet."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from holdfast.serving.openapi import document
from holdfast.serving.platforms import Platform
from holdfast.serving.server import ModelServer

_STATIC = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Holdfast: predictions</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#docs", deepLinking: true, tryItOutEnabled: true,
  validatorUrl: null, defaultModelsExpandDepth: 0
});
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_CACHE = {"Cache-Control": "public, max-age=86400"}


def create_docs(server: ModelServer, platform: Platform) -> FastAPI:
    """The FastAPI application behind the scoring handlers."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/docs", include_in_schema=False)
    def page() -> Response:
        headers = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
        return Response(_PAGE, media_type="text/html", headers=headers)

    @app.get("/docs/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        if name == "start.js":
            return Response(_START, media_type="text/javascript")
        if name not in _STATIC:
            raise HTTPException(404)
        data = files("holdfast.serving").joinpath("static", name).read_bytes()
        return Response(data, media_type=_STATIC[name], headers=_CACHE)

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response:
        body = msgspec.json.encode(document(server, platform))
        return Response(body, media_type="application/json")

    app.exception_handler(HTTPException)(_plain_error)
    app.openapi = lambda: document(server, platform)  # type: ignore[method-assign]
    return app


async def _plain_error(_: Request, error: Any) -> JSONResponse:
    sentences = {404: "there is nothing here", 405: "this method is not allowed here"}
    sentence = sentences.get(error.status_code, "this request cannot be answered")
    return JSONResponse({"error": sentence}, error.status_code, headers=error.headers)
