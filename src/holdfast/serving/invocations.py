"""MLflow's scoring contract, which is also that of SageMaker: ``POST /invocations``."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from holdfast.errors import RequestError
from holdfast.serving.about import VERSION
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.csv_rows import read_csv
from holdfast.serving.json_lines import read_lines
from holdfast.serving.media import Form, form_of, wanted
from holdfast.serving.payload import predictions, read_inputs, read_instances, read_object, respond
from holdfast.serving.problems import problem
from holdfast.serving.requests import TEXT, Request, Response
from holdfast.serving.server import Answer, ModelServer
from holdfast.serving.written import KINDS, write_csv, write_lines

_ALIVE = Response(200, b"", TEXT)
_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
# A text, whole or cut off, or NaN outside of one; possessive, so that no body takes long.
_NAN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|NaN', re.DOTALL)


async def invocations(
    server: ModelServer, request: Request, default: Form = "json", name: str = ""
) -> Response:
    """Scores rows in any of MLflow's JSON forms, CSV, JSON lines or Parquet.

    Args:
        server: what answers.
        request: the rows; its Accept header chooses the form of the answer.
        default: the form of the answer for who accepts anything.
        name: the model that the path names, if it does.

    Raises:
        HoldfastError: when they cannot be answered.
    """
    form, header = form_of(request)
    accepted = wanted(request.headers.get(b"accept"), default)
    live = server.pick(name or named(request))
    body = await request.body()
    converter = live.converter
    if form == "json" and len(body) <= server.limits.inline_bytes:
        rows = read_json(body, converter)
    elif form == "json":
        rows = await server.parse(len(body), lambda: read_json(body, converter))
    elif form == "csv":
        rows = await server.parse(len(body), lambda: read_csv(body, converter, header=header))
    elif form == "lines":
        rows = await server.parse(len(body), lambda: read_lines(body, converter))
    else:
        rows = await asyncio.to_thread(server.parquet.read, body, converter)
    return _write(accepted, await server.answer(live, rows, request), request)


def _write(form: Form, answer: Answer, request: Request) -> Response:
    if form == "json":
        return respond(answer, request, predictions(answer))
    body = write_csv(answer) if form == "csv" else write_lines(answer)
    return respond(answer, request, body)._replace(kind=KINDS[form])


def named(request: Request) -> str | None:
    """The model that the caller names, where the path does not."""
    return request.text(b"x-holdfast-model") or request.query("model")


def read_json(body: bytes, converter: Converter) -> Rows:
    """Rows of one of MLflow's JSON forms.

    MLflow's own client writes a missing number as a bare NaN, which is no JSON. Only when the body
    is none because of that, NaN is read as null.

    Raises:
        RequestError: when there is not exactly one form, or a cell is wrong.
    """
    rows = converter.split(body)
    if rows is not None:
        return rows
    given = read_tolerant(body)
    params = given.pop("params", None)
    form, data = next(iter(given.items())) if len(given) == 1 else ("", None)
    if form not in _FORMS:
        raise RequestError(
            "request.wrong_form",
            "the body must have exactly one of " + ", ".join(_FORMS),
            "See /docs for examples",
        )
    refuse_params(params)
    if form == "dataframe_split":
        return read_split(data, converter)
    if form == "dataframe_records":
        if type(data) is not list:
            raise RequestError(
                "request.wrong_form", "dataframe_records must be a list of objects", "See /docs"
            )
        return converter.records(data)
    return (read_instances if form == "instances" else read_inputs)(data, converter)


def read_tolerant(body: bytes) -> dict[str, Any]:
    """A JSON object in which NaN counts as null.

    >>> read_tolerant(b'{"a": [NaN, "NaN"]}')
    {'a': [None, 'NaN']}

    Raises:
        RequestError: when it is not one even so.
    """
    try:
        return read_object(body)
    except RequestError:
        if b"NaN" not in body:
            raise
    return read_object(_NAN.sub(lambda found: _null(found[0]), body))


def _null(token: bytes) -> bytes:
    return b"null" if token == b"NaN" else token


def refuse_params(params: Any) -> None:
    """Refuses params that ask for something.

    Raises:
        RequestError: when there are any.
    """
    if params is not None and params != {}:
        raise RequestError("request.params", "this model takes no params", "Leave them out")


def read_split(data: Any, converter: Converter) -> Rows:
    """Rows as ``{"columns": […], "data": [[…]]}``.

    Raises:
        RequestError: when they are not, or a cell is wrong.
    """
    if type(data) is not dict or data.keys() - {"columns", "data", "index"}:
        raise _wrong_split()
    names, rows = data.get("columns", converter.order), data.get("data")
    if type(names) is not list or type(rows) is not list:
        raise _wrong_split()
    if names != converter.order and not set(map(type, names)) <= {str}:
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
