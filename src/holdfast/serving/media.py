"""Which form a body is in, and which form the caller wants the answer in."""

from __future__ import annotations

from typing import Literal

from holdfast.errors import RequestError
from holdfast.serving.requests import JSON, Request

Form = Literal["json", "csv", "lines", "parquet"]

CSV = b"text/csv"
LINES = b"application/jsonlines"
_FORMS: dict[bytes, Form] = {
    JSON: "json",
    b"": "json",
    CSV: "csv",
    LINES: "lines",
    b"application/x-jsonlines": "lines",
    b"application/x-ndjson": "lines",
    b"application/vnd.apache.parquet": "parquet",
    b"application/x-parquet": "parquet",
}
_UTF8 = (b"utf-8", b"utf8", b"us-ascii")
_WILD: dict[bytes, Form] = {b"application/*": "json", b"text/*": "csv"}


def form_of(request: Request) -> tuple[Form, bool]:
    """The form of a body, and whether it begins with a header line (CSV does unless it says
    ``header=absent``); no Content-Type counts as JSON.

    Raises:
        RequestError: with status 415, for another form, charset or parameter.
    """
    value = request.headers.get(b"content-type", b"")
    if value == JSON:
        return "json", True
    kind, *parameters = (part.strip().lower() for part in value.split(b";"))
    form = _FORMS.get(kind)
    if form is None and kind.startswith(b"application/") and kind.endswith(b"+json"):
        form = "json"
    if form is None:
        raise _refused("this Content-Type is not taken")
    header = True
    for parameter in filter(None, parameters):
        name, _, given = parameter.partition(b"=")
        given = given.strip(b'"')
        if name == b"header" and form == "csv" and given in (b"present", b"absent"):
            header = given == b"present"
        elif name != b"charset":
            raise _refused("this Content-Type has a parameter that is not known")
        elif given not in _UTF8:
            raise _refused("bodies must be UTF-8")
    return form, header


def wanted(accept: bytes | None, default: Form = "json") -> Form:
    """The form of the answer, by the Accept header: JSON, CSV or JSON lines.

    Args:
        accept: the header, if there is one.
        default: the form for who takes anything.

    >>> wanted(b"text/csv;q=0.5, application/jsonlines")
    'lines'

    Raises:
        RequestError: with status 406, when none of them is accepted.
    """
    if not accept or accept == b"*/*":
        return default
    if accept == JSON:
        return "json"
    choices = sorted(map(_choice, accept.lower().split(b",")), key=lambda choice: -choice[0])
    for weight, kind in choices:
        form = _WILD.get(kind, default) if kind.endswith(b"/*") else _FORMS.get(kind)
        if form is not None and form != "parquet" and weight > 0:
            return form
    raise RequestError(
        "request.accept", "no form that is accepted can be answered",
        "Accept application/json, text/csv or application/jsonlines", 406,
    )  # fmt: skip


def _choice(part: bytes) -> tuple[float, bytes]:
    kind, *parameters = (item.strip() for item in part.split(b";"))
    for parameter in parameters:
        if parameter.startswith(b"q="):
            try:
                return float(parameter[2:]), kind
            except ValueError:
                return 0.0, kind
    return 1.0, kind


def _refused(message: str) -> RequestError:
    return RequestError(
        "request.media_type", message,
        "Send application/json, text/csv, application/jsonlines or application/vnd.apache.parquet",
        415,
    )  # fmt: skip
