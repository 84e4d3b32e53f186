"""MLflow's scoring contract, which is also that of SageMaker: ``POST /invocations``."""

from __future__ import annotations

from typing import Any

from holdfast.errors import RequestError
from holdfast.serving.about import VERSION
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.csv_rows import read_csv
from holdfast.serving.payload import (
    check_media_type,
    predictions,
    read_inputs,
    read_instances,
    read_object,
    respond,
)
from holdfast.serving.problems import problem
from holdfast.serving.requests import TEXT, Request, Response
from holdfast.serving.server import ModelServer

_ALIVE = Response(200, b"", TEXT)
_CSV = b"text/csv"
_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


async def invocations(server: ModelServer, request: Request, name: str = "") -> Response:
    """Scores rows in any of MLflow's JSON forms, or CSV.

    Args:
        server: what answers.
        request: the rows.
        name: the model that the path names, if it does.

    Raises:
        HoldfastError: when they cannot be answered.
    """
    csv = request.media_type == _CSV
    if not csv:
        check_media_type(request)
    live = server.pick(name or named(request))
    body = await request.body()
    read = read_csv if csv else read_json
    rows = await server.parse(len(body), lambda: read(body, live.converter))
    answer = await server.answer(live, rows, request)
    return respond(answer, request, predictions(answer))


def named(request: Request) -> str | None:
    """The model that the caller names, where the path does not."""
    return request.text(b"x-holdfast-model") or request.query("model")


def read_json(body: bytes, converter: Converter) -> Rows:
    """Rows of one of MLflow's JSON forms.

    Raises:
        RequestError: when there is not exactly one form, or a cell is wrong.
    """
    given = read_object(body)
    forms = [form for form in _FORMS if form in given]
    if len(forms) != 1 or given.keys() - {*forms, "params"}:
        raise RequestError(
            "request.wrong_form",
            "the body must have exactly one of " + ", ".join(_FORMS),
            "See /docs for examples",
        )
    if given.get("params"):
        raise RequestError("request.params", "this model takes no params", "Leave them out")
    data = given[forms[0]]
    if forms[0] == "dataframe_split":
        return _read_split(data, converter)
    if forms[0] == "dataframe_records":
        if type(data) is not list:
            raise RequestError(
                "request.wrong_form", "dataframe_records must be a list of objects", "See /docs"
            )
        return converter.records(data)
    return (read_instances if forms[0] == "instances" else read_inputs)(data, converter)


def _read_split(data: Any, converter: Converter) -> Rows:
    if type(data) is not dict or data.keys() - {"columns", "data", "index"}:
        raise _wrong_split()
    names, rows = data.get("columns", list(converter.names)), data.get("data")
    if type(names) is not list or type(rows) is not list:
        raise _wrong_split()
    if not set(map(type, names)) <= {str}:
        raise _wrong_split()
    return converter.table(names, rows)


def _wrong_split() -> RequestError:
    return RequestError(
        "request.wrong_form",
        "dataframe_split must be an object with columns (names) and data (rows)",
        "pandas writes it with to_dict(orient='split')",
    )


def ping(server: ModelServer) -> Response:
    """``GET /ping`` and ``/health``: 404 while there is no model, 503 when not to be used."""
    if not server.routes.uses and not server.platform:
        return problem("mlflow", 404, "no model is loaded yet")
    return _ALIVE if server.ready else problem("mlflow", 503, "this server takes no traffic now")


def version() -> Response:
    """``GET /version``."""
    return Response(200, VERSION.encode(), TEXT)
