"""Errors in each contract's own shape. They name what is ours; they never repeat the input."""

from __future__ import annotations

import logging
from typing import Literal

import msgspec

from holdfast.errors import BundleError, HoldfastError, RequestError
from holdfast.serving.requests import Response

Contract = Literal["mlflow", "v1", "v2", "grpc", "vertex", "azure", "other"]

_log = logging.getLogger("holdfast.serving")
_MLFLOW_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "BAD_REQUEST",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RETRY = ((b"retry-after", b"1"),)


def contract_of(path: str) -> Contract:
    """Whose shape an error on a path has.

    >>> contract_of("/v2/models/m/infer")
    'v2'
    """
    if path == "/invocations":
        return "mlflow"
    for prefix in ("v1", "v2"):
        if path == f"/{prefix}" or path.startswith(f"/{prefix}/"):
            return prefix
    return "other"


def problem(contract: Contract, status: int, sentence: str) -> Response:
    """An error response.

    >>> problem("v2", 404, "there is no such model").body
    b'{"error":"there is no such model"}'
    """
    if contract == "mlflow":
        code = _MLFLOW_CODES.get(status, "INVALID_PARAMETER_VALUE")
        body = msgspec.json.encode({"error_code": code, "message": sentence})
    elif contract == "grpc":
        body = sentence.encode()  # sent as the details of a status
    else:
        body = msgspec.json.encode({"error": sentence})
    if status == 401:
        return Response(status, body, headers=((b"www-authenticate", b"Bearer"),))
    return Response(status, body, headers=_RETRY if status == 503 else ())


def from_error(contract: Contract, error: Exception) -> Response:
    """The response to an exception; what is not the caller's fault is logged and kept from him."""
    status = status_of(error)
    if not isinstance(error, HoldfastError) or status == 500:
        _log.error("a request could not be answered", exc_info=error)
        return problem(contract, 500, "the model could not answer; the error was logged")
    sentence = f"{error.message}. {error.fix}" if error.fix else error.message
    return problem(contract, status, sentence)


def status_of(error: Exception) -> int:
    """HTTP status of an exception on the data port: a model that fails is our fault, not theirs."""
    if isinstance(error, RequestError):
        return error.status
    if isinstance(error, BundleError) or not isinstance(error, HoldfastError):
        return 500
    return error.http_status
