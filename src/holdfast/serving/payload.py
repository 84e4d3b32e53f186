"""JSON bodies, and the parts that several contracts share."""

from __future__ import annotations

from typing import Any

import msgspec

from holdfast.errors import RequestError
from holdfast.serving.converter import Converter, Rows
from holdfast.serving.requests import JSON, Caller, Request, Response
from holdfast.serving.server import Answer

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read_object(body: bytes | memoryview) -> dict[str, Any]:
    """A JSON object; NaN and Infinity are no JSON.

    Raises:
        RequestError: when the body is not one.
    """
    try:
        value = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise RequestError(
            "request.malformed",
            "the body is not valid JSON",
            "NaN and Infinity are not JSON; send null for a missing value",
        ) from None
    except RecursionError:
        raise RequestError(
            "request.malformed", "the body is nested too deeply", "Send rows, not trees"
        ) from None
    if type(value) is not dict:
        raise RequestError(
            "request.wrong_form", "the body must be a JSON object", "See /docs for examples"
        )
    return value


def check_media_type(request: Request) -> None:
    """Refuses what is not JSON; a missing Content-Type counts as JSON.

    Raises:
        RequestError: with status 415.
    """
    kind = request.media_type
    if kind and kind != JSON and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
        raise RequestError(
            "request.media_type", "this Content-Type is not taken", "Send application/json", 415
        )


def read_instances(data: Any, converter: Converter) -> Rows:
    """Rows as MLflow's and KServe's ``instances``: objects, or lists in the signature's order.

    Raises:
        RequestError: when they are neither, or a cell is wrong.
    """
    if type(data) is not list:
        raise RequestError("request.wrong_form", "the rows must be a list", "See /docs")
    if data and type(data[0]) is list:
        return converter.positional(data)
    return converter.records(data)


def read_inputs(data: Any, converter: Converter) -> Rows:
    """Rows as MLflow's ``inputs``: ``{column: [values]}``, one object, or a list as instances.

    Raises:
        RequestError: as :func:`read_instances`.
    """
    if type(data) is not dict:
        return read_instances(data, converter)
    if converter.widths and _is_row(data, converter):
        return converter.records([data])
    lists = [value for value in data.values() if type(value) is list]
    if not lists:
        return converter.records([data])
    count = len(lists[0])
    if len(lists) < len(data) or any(len(values) != count for values in lists):
        raise RequestError(
            "request.wrong_form", "all columns must be lists of one length", "See /docs"
        )
    return converter.columns(data, count)


def _is_row(data: dict[str, Any], converter: Converter) -> bool:
    """Whether an object is one row, whose vectors are lists too, rather than a list a column."""
    for name, value in data.items():
        nested = type(value) is list and (not value or type(value[0]) in (list, type(None)))
        if type(value) is not list or (name in converter.widths and not nested):
            return True
    return False


class _Chance(msgspec.Struct, gc=False):
    """One row of a classification."""

    prediction: Any
    probability: float | list[float]


def predictions(answer: Answer) -> bytes:
    """``{"predictions": […]}``: plain values for a regression, else with their probability."""
    outputs = answer.outputs
    values = outputs.prediction.tolist()
    if outputs.probability is None:
        return _encode({"predictions": values})
    return _encode({"predictions": list(map(_Chance, values, outputs.probability.tolist()))})


def respond(answer: Answer, caller: Caller, body: bytes, *more: tuple[bytes, bytes]) -> Response:
    """A scoring answer with the headers every contract carries."""
    headers = (
        (b"x-holdfast-version", answer.loaded.header),
        (b"x-holdfast-prediction-id", answer.prediction_id.encode()),
        *more,
    )
    caller_id = caller.caller_id
    if caller_id is not None:
        headers = (*headers, (b"x-request-id", caller_id))
    return Response(200, body, headers=headers, model=answer.model, version=answer.loaded.version)
